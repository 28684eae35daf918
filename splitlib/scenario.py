r"""The scenario: every number of the paper's Section IV, and the cost of each splitting point.

The cost of splitting point :math:`k` depends only on the scenario. For one image, the device
spends :math:`E_{l,k} = \sum_{j \le k} E_j` joules (8) on :math:`W_{0 \to k}` FLOPs (7), sends
:math:`L_k` bits (10), and leaves :math:`W_{k+1 \to J}` FLOPs to the host (9). `Profile` holds these
four.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from splitlib._check import Count, Positive, check_typed, field_types, suggest_fields
from splitlib.board import JETSON_TX2, XAVIER_NX, Board
from splitlib.channel import PathLoss, dbm_to_watt, path_gain
from splitlib.network import Network
from splitlib.zoo import mobilenet_v2

_THERMAL_NOISE = dbm_to_watt(-174.0)  # per hertz


@dataclass(frozen=True, eq=False)
class Profile:
    """Cost of each splitting point ``k = 0 .. J`` for one image; arrays of shape ``(J + 1,)``.

    Attributes
    ----------
    local_flops, remote_flops : ndarray
        FLOPs on the device before the split and on the host after it.
    offload_bits : ndarray
        Bits to send; 0 at ``k = J``.
    local_energy : ndarray
        Energy of the device for computing up to ``k``, in J, equation (8) for one image.
    """

    local_flops: NDArray[np.float64]
    remote_flops: NDArray[np.float64]
    offload_bits: NDArray[np.float64]
    local_energy: NDArray[np.float64]


@suggest_fields
@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that is fixed during a run; the defaults are the paper's.

    Vary it with ``Scenario(distance=20)`` or `dataclasses.replace`. The fields from ``path_loss``
    on are readings that the paper leaves open, as is the network's ``arithmetic``; the chapter on
    assumptions shows how much each one matters.

    Parameters
    ----------
    network : Network
        The DNN, present on both device and host.
    device, host : Board
        The device needs energy constants, the edge host does not.
    alpha_max : float
        Largest availability of the host's processor, in (0, 1].
    path_loss_exponent : float
        At least 0; see `splitlib.channel.path_gain`.
    distance : float
        Between device and access point, in m.
    carrier_frequency, bandwidth : float
        In Hz.
    noise_psd : float
        Noise power spectral density, in W/Hz.
    p_min, p_max : float
        Limits of the transmit power, in W, ``0 < p_min <= p_max``.
    arrival_rate : float
        Mean number of new images per slot, from 0 to 1e9.
    d_avg : float
        Limit of the mean end-to-end delay, in s.
    d_max : float
        Delay above which a slot is an outage, in s.
    epsilon : float
        Limit of the outage probability, in [0, 1).
    bits_per_element : int
        Bits that encode one element of the input or of a feature map.
    path_loss : {"close_in", "friis", "distance"}
        Model of the path loss; see `splitlib.channel.path_gain`.
    fading_power : float
        Mean E|g|² of the fading, positive. "Unit variance" gives 1 if it refers to the complex
        amplitude, 2 if to each of its two parts, and 4 / (4 - π) = 4.66 if to its magnitude.
    alpha_min : float
        Least availability of the host, in [0, alpha_max]; smaller values are raised to it.
    local_energy_per : {"image", "slot"}
        Whether (8) is the energy per image or, as printed, per slot.
    raw_bits_per_element : int, optional
        Bits that encode one element of the input, by default ``bits_per_element``.
    flops_per_mac : int
        Floating-point operations per multiply-accumulate operation.
    split_objective : {"step", "surrogate"}
        Whether the splitting point minimizes (17) with the step or with its linear surrogate.

    Raises
    ------
    TypeError, ValueError
        If a field is unknown, of the wrong type or out of its range.

    Examples
    --------
    >>> scenario = Scenario(alpha_max=0.5)
    >>> scenario.d_avg, int(scenario.profile.offload_bits[0])
    (0.05, 4816896)
    """

    network: Network = field(default_factory=mobilenet_v2)
    device: Board = JETSON_TX2
    host: Board = XAVIER_NX
    alpha_max: Annotated[float, "(0, 1]"] = 1.0
    path_loss_exponent: Annotated[float, "[0, inf)"] = 3.0
    distance: Positive = 50.0
    carrier_frequency: Positive = 3.5e9
    bandwidth: Positive = 200e6
    noise_psd: Positive = _THERMAL_NOISE
    p_min: Positive = 10e-3
    p_max: Positive = 100e-3
    arrival_rate: Annotated[float, "[0, 1e9]"] = 10.0
    d_avg: Positive = 50e-3
    d_max: Positive = 100e-3
    epsilon: Annotated[float, "[0, 1)"] = 1e-2
    bits_per_element: Count = 32
    path_loss: PathLoss = "close_in"
    fading_power: Positive = 1.0
    alpha_min: Annotated[float, "[0, 1]"] = 0.0
    local_energy_per: Literal["image", "slot"] = "image"
    raw_bits_per_element: Count | None = None
    flops_per_mac: Count = 2
    split_objective: Literal["step", "surrogate"] = "step"

    def __post_init__(self) -> None:
        for name, kind in field_types(Scenario).items():
            check_typed(name, getattr(self, name), kind)
        self.device.check_energy_constants("device")
        for low, high in (("p_min", "p_max"), ("alpha_min", "alpha_max")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"{low} must not exceed {high} = {getattr(self, high)!r},"
                    f" got {getattr(self, low)!r}"
                )
        _ = self.path_gain  # raises if no float can hold it

    @cached_property
    def profile(self) -> Profile:
        """Cost of each splitting point for one image."""
        local_flops = _up_to_split(self.flops_per_mac * self.network.macs)
        offload_bits = self.network.output_elements * float(self.bits_per_element)
        if self.raw_bits_per_element is not None:
            offload_bits[0] = self.network.output_elements[0] * float(self.raw_bits_per_element)
        offload_bits[-1] = 0  # the answer of a full local inference stays on the device
        return Profile(
            local_flops=local_flops,
            remote_flops=local_flops[-1] - local_flops,
            offload_bits=offload_bits,
            local_energy=_up_to_split(self.device.energy(self.network)),
        )

    @property
    def path_gain(self) -> float:
        """Channel gain without fading, linear."""
        return path_gain(
            self.distance, self.carrier_frequency, self.path_loss_exponent, self.path_loss
        )

    @property
    def mean_gain(self) -> float:
        """Mean channel gain E[h], linear."""
        return self.fading_power * self.path_gain


def _up_to_split(per_stage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the stages before each splitting point."""
    return np.concatenate([[0.0], np.cumsum(per_stage)])
