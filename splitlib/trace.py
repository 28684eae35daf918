r"""Traces: channel, host and load in each slot, drawn before any policy runs.

A trace holds the channel gain :math:`h(t)`, the availability :math:`\alpha_r(t)` of the host
and the number :math:`N(t)` of new images. Because it is drawn beforehand, every policy and every
V runs on the same slots (common random numbers), and chance does not blur their differences.

In the paper the slots are independent. `GaussMarkovFading` and `MarkovAvailability` give channel
and host a memory but keep the distribution within a slot, so that any change in the results is due
to the memory. They reuse the draws of the independent slots: memory 0 gives the same slots, and the
longer the memory, the more a slot depends on those before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from splitlib import mrg32k3a
from splitlib._check import (
    check_array,
    check_burn_in,
    check_instance,
    check_integer,
    check_real,
    suggest_fields,
)
from splitlib.scenario import Scenario

#: Below it, a delay could be infinite, and 0 × inf would be NaN.
_LEAST_AVAILABILITY = 1e-100
_MOST_ARRIVALS = 10**12

_fill_uniforms, _fill_gain, _fill_availability, _fill_arrivals = (
    numba.njit(loop, cache=True, nogil=True)
    for loop in (
        mrg32k3a.fill_uniforms,
        mrg32k3a.fill_gain,
        mrg32k3a.fill_availability,
        mrg32k3a.fill_arrivals,
    )
)


def _fill_gauss_markov(correlation, uniform_phase, fading):  # type: ignore[no-untyped-def]
    """Replace the powers of independent slots in ``fading`` by those of `GaussMarkovFading`.

    Compiled by Numba, the loop takes a third of the time of NumPy and `scipy.signal.lfilter` on
    complex arrays, most of it for sine and cosine.
    """
    innovation = math.sqrt((1.0 - correlation) * (1.0 + correlation))
    real = imaginary = 0.0
    scale = 1.0  # in the first slot, for a stationary start
    for t in range(fading.size):
        amplitude = scale * math.sqrt(fading[t])
        angle = 2.0 * math.pi * uniform_phase[t]
        real = correlation * real + amplitude * math.cos(angle)
        imaginary = correlation * imaginary + amplitude * math.sin(angle)
        fading[t] = real * real + imaginary * imaginary
        scale = innovation


_compiled_gauss_markov = numba.njit(_fill_gauss_markov, cache=True, nogil=True)


def _correlation_time(per_slot: float) -> float:
    """Return the number of slots k after which ``per_slot ** k`` has fallen to 1 / e."""
    return -1.0 / math.log(per_slot) if per_slot > 0.0 else 0.0


@suggest_fields
@dataclass(frozen=True)
class GaussMarkovFading:
    r"""Rayleigh fading whose complex amplitude is a first-order Gauss–Markov process.

    .. math:: g(t) = \rho \, g(t - 1) + \sqrt{1 - \rho^2} \, w(t)

    with independent circular complex Gaussian :math:`w(t)` of :math:`E|w|^2 = 1` and a stationary
    start, :math:`g(0) = w(0)`. In each slot :math:`|g|^2` is exponential with mean 1, as in
    independent slots. Over k slots the correlation is :math:`\rho^k` for the amplitude, and for the
    gain

    .. math:: \operatorname{corr}(|g(t)|^2, |g(t + k)|^2) = \rho^{2 k} .

    The spectrum of Clarke and Jakes has :math:`J_0(2 \pi f_D T k)` in place of :math:`\rho^k`,
    with the Doppler frequency :math:`f_D` and the length T of a slot. To agree with it from one
    slot to the next, take :math:`\rho = |J_0(2 \pi f_D T)|`; the sign does not affect the gain.
    Over more slots the two differ: the correlation of this process decays exponentially and never
    oscillates.

    Parameters
    ----------
    correlation : float
        :math:`\rho` of the amplitude from one slot to the next, in [0, 1); with 0 the slots are
        independent.

    Raises
    ------
    TypeError, ValueError
        If the field is unknown, of the wrong type or out of its range.

    Examples
    --------
    >>> round(GaussMarkovFading(correlation=0.9).correlation_time, 2)  # the gain has 0.81 ** k
    4.75
    """

    correlation: float

    def __post_init__(self) -> None:
        check_real("correlation", self.correlation, "[0, 1)")

    @property
    def correlation_time(self) -> float:
        r"""Slots until the correlation of the gain is 1 / e: :math:`-1 / \ln \rho^2`, or 0."""
        return _correlation_time(float(self.correlation) ** 2)

    def _apply(
        self, fading: NDArray[np.float64], uniform: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return |g|² from |w|² (``fading``); ``uniform`` gives the phase of w."""
        fading = fading.copy()
        _compiled_gauss_markov(float(self.correlation), uniform, fading)
        return fading


@suggest_fields
@dataclass(frozen=True)
class MarkovAvailability:
    r"""Availability with memory: the host is busy or free, as a Markov chain of two states.

    While the host is busy, :math:`\alpha_r` is uniform on :math:`(0, s \alpha_{max}]`, otherwise on
    :math:`(s \alpha_{max}, \alpha_{max}]`, and within a state it is independent from slot to slot.
    The chain starts from its stationary distribution, in which the host is busy with probability s.
    In each slot :math:`\alpha_r` is thus uniform on :math:`(0, \alpha_{max}]`, as in independent
    slots. With the memory m, the state changes with the probabilities

    .. math:: p_{busy \to free} = (1 - m) (1 - s), \qquad p_{free \to busy} = (1 - m) s .

    Their sum is 1 - m, and the correlation of the state over k slots is :math:`m^k`. That of the
    availability is smaller, because it also varies within a state; if ``alpha_min`` is 0, it is

    .. math:: \operatorname{corr}(\alpha_r(t), \alpha_r(t + k)) = 3 s (1 - s) \, m^k
              \quad \text{for } k \ge 1 .

    A busy period lasts :math:`1 / p_{busy \to free}` slots on average.

    Parameters
    ----------
    memory : float
        m, in [0, 1); with 0 the slots are independent.
    busy_share : float
        s, in (0, 1): the share of busy slots, and also their largest availability as a share of
        ``alpha_max``.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown, of the wrong type or out of its range.

    Examples
    --------
    >>> round(MarkovAvailability(memory=0.9).correlation_time, 2)  # the state has 0.9 ** k
    9.49
    """

    memory: float
    busy_share: float = 0.5

    def __post_init__(self) -> None:
        check_real("memory", self.memory, "[0, 1)")
        check_real("busy_share", self.busy_share, "(0, 1)")

    @property
    def correlation_time(self) -> float:
        r"""Slots until the correlation of the state is 1 / e: :math:`-1 / \ln m`, or 0."""
        return _correlation_time(float(self.memory))

    def _apply(
        self, uniform: NDArray[np.float64], switch: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return uniform numbers with memory.

        In each slot the state is kept with probability m, and otherwise drawn from the stationary
        distribution. So the chain needs no loop: each slot has the state of the last such draw.
        """
        drawn = np.where(switch >= self.memory, np.arange(uniform.size), 0)
        last = np.maximum.accumulate(drawn)  # the first slot counts as drawn
        s = float(self.busy_share)
        own = uniform <= s
        within = np.where(own, uniform / s, (uniform - s) / (1.0 - s))  # independent of the state
        inherited = np.where(own[last], s * within, s + (1.0 - s) * within)
        # A slot that is already in its state keeps its number to the last bit.
        return np.where(own[last] == own, uniform, inherited)


@suggest_fields
@dataclass(frozen=True, eq=False)
class Trace:
    """Channel, host and load in each slot; arrays of shape ``(n_slots,)``, read-only.

    Parameters
    ----------
    gain : array_like
        Channel gain h(t), linear, including path loss, at least 0. At gain 0 nothing can be sent.
    availability : array_like
        Free share alpha_r(t) of the host's processor, in (0, 1], at least 1e-100.
    arrivals : array_like
        Number N(t) of new images, integers of at least 0.

    Raises
    ------
    TypeError, ValueError
        If the arrays differ in shape or are not one-dimensional, or a value is out of range.

    Examples
    --------
    >>> trace = Trace(gain=[1e-10, 2e-10], availability=[0.5, 1.0], arrivals=[9, 12])
    >>> trace.n_slots
    2
    """

    gain: NDArray[np.float64]
    availability: NDArray[np.float64]
    arrivals: NDArray[np.int64]

    def __post_init__(self) -> None:
        gain = check_array("gain", self.gain, "[0, inf)")
        availability = check_array("availability", self.availability, "(0, 1]")
        arrivals = check_array("arrivals", self.arrivals, f"[0, {_MOST_ARRIVALS}]")
        if gain.ndim != 1 or gain.size == 0:
            raise ValueError(
                f"gain must be a non-empty array of shape (n_slots,), got shape {gain.shape}"
            )
        for name, array in (("availability", availability), ("arrivals", arrivals)):
            if array.shape != gain.shape:
                raise ValueError(
                    f"{name} must have the shape {gain.shape} of gain, got shape {array.shape}"
                )
        if (availability < _LEAST_AVAILABILITY).any():
            raise ValueError(
                f"availability must be at least {_LEAST_AVAILABILITY}, got"
                f" {float(availability.min())!r} at index {int(availability.argmin())}"
            )
        whole = np.asarray(self.arrivals).astype(np.int64, copy=False)
        if (arrivals != whole).any():
            index = int(np.argmax(arrivals != whole))
            raise ValueError(
                f"arrivals must be whole numbers, got {float(arrivals[index])!r} at index {index}"
            )
        self._store("gain", gain)
        self._store("availability", availability)
        self._store("arrivals", whole)

    def _store(self, name: str, array: NDArray[np.generic]) -> None:
        if array.flags.writeable or not array.flags.owndata:
            array = np.array(array)  # a copy, so that later changes by the caller have no effect
            array.flags.writeable = False
        object.__setattr__(self, name, array)

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return self.gain.size

    def after(self, burn_in: int) -> Trace:
        """Return the trace without its first ``burn_in`` slots; at least one must remain.

        Examples
        --------
        >>> Trace(gain=[1e-10, 2e-10], availability=[0.5, 1.0], arrivals=[9, 12]).after(1).arrivals
        array([12])
        """
        check_burn_in(burn_in, self.n_slots)
        rest = object.__new__(Trace)  # skips the checks, which these arrays have passed
        for name in ("gain", "availability", "arrivals"):
            object.__setattr__(rest, name, getattr(self, name)[burn_in:])
        return rest


class Draws(NamedTuple):
    """Random draws of the slots, not yet scaled by a scenario; arrays of shape ``(n_slots,)``.

    Attributes
    ----------
    fading : ndarray
        |g|², with mean 1.
    uniform : ndarray
        In (0, 1], for the availability.
    arrivals : ndarray of int
        Number of images.
    """

    fading: NDArray[np.float64]
    uniform: NDArray[np.float64]
    arrivals: NDArray[np.int64]

    def trace(self, scenario: Scenario) -> Trace:
        """Return the trace of these draws in ``scenario``; its load must be theirs."""
        gain, availability = scenario.mean_gain * self.fading, scenario.alpha_max * self.uniform
        np.maximum(scenario.alpha_min, availability, out=availability)
        for series in (gain, availability, self.arrivals):
            series.flags.writeable = False  # so that the trace need not copy them
        return Trace(gain, availability, self.arrivals)


def draw_slots(
    arrival_rate: float,
    n_slots: int,
    rng: np.random.Generator,
    fading: GaussMarkovFading | None = None,
    availability: MarkovAvailability | None = None,
) -> Draws:
    """Return new `Draws`; the arguments must have been checked.

    The draws for the memory come last and for both models at once, so that neither model changes
    the rest of the trace.
    """
    draws = Draws(
        fading=rng.standard_exponential(n_slots),
        uniform=1.0 - rng.random(n_slots),
        arrivals=rng.poisson(arrival_rate, n_slots),
    )
    if fading is None and availability is None:
        return draws
    phase, switch = rng.random((2, n_slots))
    if fading is not None:
        draws = draws._replace(fading=fading._apply(draws.fading, phase))
    if availability is not None:
        draws = draws._replace(uniform=availability._apply(draws.uniform, switch))
    return draws


def draw_trace(
    scenario: Scenario,
    n_slots: int = 200_000,
    rng: np.random.Generator | int | None = None,
    fading: GaussMarkovFading | None = None,
    availability: MarkovAvailability | None = None,
) -> Trace:
    r"""Draw a trace, by default with independent slots, as in the paper's Section IV.

    - :math:`h = |g|^2 \, \bar h` with the scenario's path gain :math:`\bar h` and circular
      complex Gaussian :math:`g` (Rayleigh fading) of :math:`E|g|^2` = ``fading_power``;
    - :math:`\alpha_r` uniform on :math:`(0, \alpha_{max}]`, but at least ``alpha_min``;
    - :math:`N` Poisson with mean ``scenario.arrival_rate``.

    The three are independent of each other. A model for ``fading`` or ``availability`` gives the
    slots a memory, but does not change the distribution of a single slot.

    Parameters
    ----------
    scenario : Scenario
        Gives the mean gain, the limits of the availability and the arrival rate. The same seed
        gives every scenario the same underlying draws.
    n_slots : int
        Number of slots, at least 1.
    rng : None, int or numpy.random.Generator
        Source of randomness, or its seed (SPEC 7). See `trace_rng` for the streams of a sweep.
    fading : GaussMarkovFading, optional
        Memory of the channel; None means independent slots.
    availability : MarkovAvailability, optional
        Memory of the host; None means independent slots. The same seed gives every model the same
        underlying draws; neither model affects the other or the arrivals.

    Returns
    -------
    Trace
        Of ``n_slots`` slots.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> trace = draw_trace(Scenario(arrival_rate=4), n_slots=100_000, rng=0)
    >>> round(float(trace.arrivals.mean()), 1)
    4.0
    >>> slow = GaussMarkovFading(correlation=0.99)
    >>> gain = draw_trace(Scenario(), n_slots=100_000, rng=0, fading=slow).gain
    >>> round(float(np.corrcoef(gain[:-1], gain[1:])[0, 1]), 2)  # 0.99 squared
    0.98
    """
    check_instance("scenario", scenario, Scenario)
    n_slots = check_integer("n_slots", n_slots)
    for name, model, kind in (
        ("fading", fading, GaussMarkovFading),
        ("availability", availability, MarkovAvailability),
    ):
        if model is not None:
            check_instance(f"{name} (other than None)", model, kind)
    try:
        rng = np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise TypeError(
            f"rng must be None, an integer of at least 0 or a numpy Generator, got {rng!r}"
        ) from None
    return draw_slots(scenario.arrival_rate, n_slots, rng, fading, availability).trace(scenario)


def trace_rng(scenario: Scenario, seed: int) -> np.random.Generator:
    r"""Return the generator of one cell (seed, β, α_max) of a sweep.

    The stream depends only on these three values, not on the grid around them: a cell can be drawn
    again alone, and a finer grid does not change its numbers.

    Parameters
    ----------
    scenario : Scenario
        Gives β and α_max.
    seed : int
        At least 0.

    Returns
    -------
    numpy.random.Generator
        Seeded with a `numpy.random.SeedSequence`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> scenario = Scenario(alpha_max=0.5)
    >>> trace = draw_trace(scenario, n_slots=1000, rng=trace_rng(scenario, seed=0))
    """
    check_instance("scenario", scenario, Scenario)
    seed = check_integer("seed", seed, minimum=0)
    cell = np.array([scenario.path_loss_exponent, scenario.alpha_max], dtype="<f8")
    return np.random.default_rng(np.random.SeedSequence([seed, *cell.view("<u4").tolist()]))


def page_trace(scenario: Scenario, n_slots: int = 200_000, seed: int = 1) -> Trace:
    """Draw the trace that the slider panel on the book's pages uses.

    It has the distributions of `draw_trace`, but its random numbers come from a generator that also
    runs in the browser, see `splitlib.mrg32k3a`. A slot's uniform numbers do not depend on the
    scenario.

    Parameters
    ----------
    scenario : Scenario
        Gives the mean gain, the limits of the availability and the arrival rate, at most
        `splitlib.mrg32k3a.MAX_ARRIVAL_RATE`.
    n_slots : int
        Number of slots, at least 1.
    seed : int
        Number of the stream, at least 0.

    Returns
    -------
    Trace
        Of ``n_slots`` slots.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> trace = page_trace(Scenario(arrival_rate=4), n_slots=100_000, seed=1)
    >>> round(float(trace.arrivals.mean()), 1)
    4.0
    """
    check_instance("scenario", scenario, Scenario)
    n_slots = check_integer("n_slots", n_slots)
    seed = check_integer("seed", seed, minimum=0)
    check_real("arrival_rate", scenario.arrival_rate, f"[0, {mrg32k3a.MAX_ARRIVAL_RATE}]")
    uniforms = np.empty(3 * n_slots)
    _fill_uniforms(np.array(mrg32k3a.initial_state(seed)), n_slots, uniforms)
    gain, availability, arrivals = np.empty((3, n_slots))
    _fill_gain(uniforms, n_slots, scenario.mean_gain, gain)
    _fill_availability(uniforms, n_slots, scenario.alpha_min, scenario.alpha_max, availability)
    _fill_arrivals(uniforms, n_slots, scenario.arrival_rate, arrivals)
    return Trace(gain=gain, availability=availability, arrivals=arrivals.astype(np.int64))
