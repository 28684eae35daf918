r"""The radio link: path loss, Shannon rate and its inverse, and the optimal rate.

The channel gain :math:`h` is received power over transmitted power, without unit. With transmit
power :math:`p`, bandwidth :math:`B` and noise power spectral density :math:`N_0`,

.. math:: R = B \log_2\left(1 + \frac{p h}{N_0 B}\right), \qquad
          p = \frac{N_0 B}{h} \left(e^{R \ln 2 / B} - 1\right),

so that sending :math:`L` bits takes :math:`D_{tx} = L / R` (10) and costs
:math:`E_{tx} = p \, D_{tx}` (11). For a splitting point with :math:`L > 0` the surrogate of the
per-slot problem (17) is, up to terms independent of :math:`R`,

.. math:: \frac{L N}{R} \left(\Omega + V p(R)\right), \qquad \Omega = Z + H / D_{max}.

Its derivative (18) vanishes where, with :math:`r = R \ln 2 / B`,

.. math:: g(r) := (r - 1) e^r + 1 = c := \frac{\Omega h}{V N_0 B}.

:math:`g` increases from 0 at :math:`r = 0`, so each :math:`c \ge 0` has exactly one such point,

.. math:: R_* = \left[\frac{B}{\ln 2} \left(W_0\!\left(\frac{c - 1}{e}\right) + 1\right)
          \right]_{R_{min}}^{R_{max}} \qquad (19)

with the principal branch :math:`W_0` of the Lambert function. The surrogate decreases up to this
point and increases beyond it, so clipping the point to the limits gives the minimum between them.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray

from splitlib._check import check_array, check_real, check_typed

Array = NDArray[np.float64]

#: In m/s, exact by definition.
SPEED_OF_LIGHT = 299_792_458.0

# W0(z) + 1 in powers of q = sqrt(2 (e z + 1)) (Corless et al., 1996, eq. 4.22).
_BRANCH_POINT = Polynomial(
    [0, 1, -1 / 3, 11 / 72, -43 / 540, 769 / 17280, -221 / 8505, 680863 / 43545600, -1963 / 204120]
)


def dbm_to_watt(level_dbm: float) -> float:
    """Convert a power level from dBm to W, or a power spectral density from dBm/Hz to W/Hz.

    Parameters
    ----------
    level_dbm : float
        In dBm (or dBm/Hz).

    Returns
    -------
    float
        In W (or W/Hz).

    Raises
    ------
    TypeError, ValueError
        If ``level_dbm`` is not a number between -1000 and 1000.

    Examples
    --------
    >>> dbm_to_watt(20.0)
    0.1
    """
    check_real("level_dbm", level_dbm, "(-1000, 1000)")
    return float(10 ** ((level_dbm - 30) / 10))


#: The readings of "an exponent β is assumed to generate the path loss"; see `path_gain`.
PathLoss = Literal["close_in", "friis", "distance"]


def path_gain(
    distance: float,
    carrier_frequency: float,
    path_loss_exponent: float,
    path_loss: str = "close_in",
) -> float:
    r"""Return the channel gain without fading.

    - ``"close_in"``: :math:`\left(\frac{c}{4 \pi f_c}\right)^2 d^{-\beta}`, the close-in model
      with 1 m reference distance (Sun et al., 2016);
    - ``"friis"``: :math:`\left(\frac{c}{4 \pi f_c d}\right)^{\beta}`, with the exponent applied
      to all of Friis' formula;
    - ``"distance"``: :math:`d^{-\beta}` alone.

    Parameters
    ----------
    distance : float
        Distance :math:`d` in m, positive.
    carrier_frequency : float
        :math:`f_c` in Hz, positive.
    path_loss_exponent : float
        :math:`\beta`, at least 0.
    path_loss : {"close_in", "friis", "distance"}
        One of these models.

    Returns
    -------
    float
        Linear power gain.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    The paper gives only the exponent; see assumption 1 of the book.

    Examples
    --------
    >>> f"{path_gain(50, 3.5e9, 3):.3e}"
    '3.717e-10'
    """
    check_real("distance", distance)
    check_real("carrier_frequency", carrier_frequency)
    check_real("path_loss_exponent", path_loss_exponent, "[0, inf)")
    check_typed("path_loss", path_loss, PathLoss)
    wavelength = SPEED_OF_LIGHT / carrier_frequency
    try:
        gain = unchecked_path_gain(distance, wavelength, path_loss_exponent, path_loss)
    except OverflowError:
        gain = math.inf
    if not 0 < gain < math.inf:
        raise ValueError(
            "distance, carrier_frequency and path_loss_exponent must give a path gain that a float"
            f" can hold, got {distance!r}, {carrier_frequency!r} and {path_loss_exponent!r}"
        )
    return gain


def unchecked_path_gain(
    distance: float, wavelength: float, path_loss_exponent: float, path_loss: str
) -> float:
    """Return `path_gain` without checks, in plain scalar Python that also runs in the browser.

    Examples
    --------
    >>> unchecked_path_gain(10.0, 4 * math.pi, 2.0, "close_in")
    0.01
    """
    first_metre = wavelength / (4.0 * math.pi)
    if path_loss == "friis":
        return (first_metre / distance) ** path_loss_exponent
    if path_loss == "distance":
        return distance**-path_loss_exponent
    return first_metre**2 * distance**-path_loss_exponent


def rate(power: ArrayLike, gain: ArrayLike, bandwidth: float, noise_psd: float) -> Array:
    """Return the Shannon rate.

    Parameters
    ----------
    power : array_like
        Transmit power in W, at least 0.
    gain : array_like
        Channel gain, linear, at least 0; broadcast against ``power``.
    bandwidth : float
        In Hz, positive.
    noise_psd : float
        Noise power spectral density in W/Hz, positive.

    Returns
    -------
    ndarray
        In bit/s.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> float(rate(power=3.0, gain=1.0, bandwidth=1.0, noise_psd=1.0))
    2.0
    """
    power = check_array("power", power, "[0, inf)")
    gain = check_array("gain", gain, "[0, inf)")
    check_real("bandwidth", bandwidth)
    check_real("noise_psd", noise_psd)
    return np.asarray(bandwidth * np.log1p(power * gain / (noise_psd * bandwidth)) / np.log(2))


def power(rate: ArrayLike, gain: ArrayLike, bandwidth: float, noise_psd: float) -> Array:
    """Return the transmit power needed for a rate: the inverse of `rate`, as in (11).

    Parameters
    ----------
    rate : array_like
        In bit/s, at least 0.
    gain : array_like
        Channel gain, linear, positive; broadcast against ``rate``.
    bandwidth : float
        In Hz, positive.
    noise_psd : float
        Noise power spectral density in W/Hz, positive.

    Returns
    -------
    ndarray
        In W.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> float(power(rate=2.0, gain=1.0, bandwidth=1.0, noise_psd=1.0))
    3.0
    """
    rate = check_array("rate", rate, "[0, inf)")
    gain = check_array("gain", gain, "(0, inf)")
    check_real("bandwidth", bandwidth)
    check_real("noise_psd", noise_psd)
    return np.asarray(noise_psd * bandwidth / gain * np.expm1(rate * np.log(2) / bandwidth))


def optimal_rate(
    V: ArrayLike,
    omega: ArrayLike,
    gain: ArrayLike,
    bandwidth: float,
    noise_psd: float,
    rate_min: ArrayLike,
    rate_max: ArrayLike,
) -> Array:
    r"""Return the rate that minimizes the surrogate of (17) between two limits, equation (19).

    The readable twin of the rate in `splitlib.kernel`. It is the same for every splitting point
    that sends anything. Near the branch point of the Lambert function (:math:`c \to 0`), where
    :math:`(c - 1) / e` loses the digits of :math:`c`, its series is used, so that the rate keeps 12
    digits for every :math:`c`.

    Parameters
    ----------
    V : array_like
        Weight of energy, in s²/J, positive.
    omega : array_like
        :math:`\Omega = Z + H / D_{max}`, at least 0; at 0 the result is ``rate_min``.
    gain : array_like
        Channel gain, linear, at least 0.
    bandwidth : float
        In Hz, positive.
    noise_psd : float
        Noise power spectral density in W/Hz, positive.
    rate_min, rate_max : array_like
        Limits in bit/s, ``0 <= rate_min <= rate_max``.

    Returns
    -------
    ndarray
        In bit/s, of the broadcast shape of the arguments.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    At c = 1 the argument of W is 0, so that R ln2 / B = 1:

    >>> r = optimal_rate(V=1.0, omega=1.0, gain=1.0, bandwidth=1.0, noise_psd=1.0,
    ...                  rate_min=0.0, rate_max=9.0)
    >>> round(float(r * np.log(2)), 12)
    1.0
    """
    from scipy.special import lambertw

    V = check_array("V", V, "(0, inf)")
    omega = check_array("omega", omega, "[0, inf)")
    gain = check_array("gain", gain, "[0, inf)")
    check_real("bandwidth", bandwidth)
    check_real("noise_psd", noise_psd)
    rate_min = check_array("rate_min", rate_min, "[0, inf)")
    rate_max = check_array("rate_max", rate_max, "[0, inf)")
    excess = rate_min > rate_max
    if np.any(excess):
        low, high = (float(limit[excess][0]) for limit in np.broadcast_arrays(rate_min, rate_max))
        raise ValueError(f"rate_min must not exceed rate_max, got {low!r} and {high!r}")

    c = omega / V * (gain / (noise_psd * bandwidth))
    q = np.sqrt(2 * c)
    near_branch_point = _BRANCH_POINT(np.minimum(q, 1.0))
    elsewhere = lambertw((c - 1) / np.e).real + 1
    r = np.where(q < 0.03, near_branch_point, elsewhere)
    return np.clip(r * bandwidth / np.log(2), rate_min, rate_max)
