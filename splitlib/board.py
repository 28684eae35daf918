r"""Edge boards: their computing speed and energy per multiply-accumulate operation.

Energy follows the empirical model of Lahmer et al. (2022) for NVIDIA edge boards. Its
constants are joules per MAC:

.. math::

   E_c &= M_c \left(a / d_{o,c} + b\right) \qquad (2) \\
   E_u &= M_u \, a' \qquad (4)

for a convolution with :math:`d_{o,c}` output channels (for a depthwise one, its number of
channels) and for a fully connected layer. The computing delay of :math:`W = 2 M` FLOPs on a
board of :math:`f` FLOP/s is :math:`D = W / f` (3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splitlib._check import check_instance, check_real, suggest_fields
from splitlib.network import Conv2d, DepthwiseConv2d, Linear, Network


@suggest_fields
@dataclass(frozen=True)
class Board:
    """A computing board.

    Parameters
    ----------
    name : str
        Name of the board.
    flops_per_second : float
        Computing performance :math:`f`, in FLOP/s.
    a, b : float, optional
        Energy constants of convolutions in (2), in J per MAC.
    a_prime : float, optional
        Energy constant :math:`a'` of fully connected layers in (4), in J per MAC.

    Notes
    -----
    Only a device needs energy constants, because only its energy is minimized.

    Examples
    --------
    >>> from splitlib import mobilenet_v2
    >>> round(float(JETSON_TX2.energy(mobilenet_v2()).sum()), 4)  # J per image
    0.1357
    """

    name: str
    flops_per_second: float
    a: float | None = None
    b: float | None = None
    a_prime: float | None = None

    def __post_init__(self) -> None:
        check_real("Board.flops_per_second", self.flops_per_second)
        for name in ("a", "b", "a_prime"):
            if getattr(self, name) is not None:
                check_real(f"Board.{name}", getattr(self, name), "[0, inf)")

    def check_energy_constants(self, role: str) -> None:
        """Raise ``ValueError`` unless a, b and a_prime are known; ``role`` names the argument."""
        missing = [name for name in ("a", "b", "a_prime") if getattr(self, name) is None]
        if missing:
            raise ValueError(
                f"{role} must be a board with the energy constants a, b and a_prime,"
                f" got {self.name} without {', '.join(missing)}"
            )

    def energy(self, network: Network) -> NDArray[np.float64]:
        """Return the energy of each stage of ``network`` for one image, equations (2) and (4).

        Parameters
        ----------
        network : Network
            With ``J`` stages.

        Returns
        -------
        ndarray of shape (J,)
            In joules.

        Raises
        ------
        ValueError
            If the board's energy constants are not known.
        """
        check_instance("network", network, Network)
        self.check_energy_constants("Board")
        energy = np.zeros(len(network.stages))
        for stage, layer, shape in network.layers():
            if isinstance(layer, (Conv2d, DepthwiseConv2d)):
                per_mac = self.a / layer.out_channels + self.b  # type: ignore[operator]
            elif isinstance(layer, Linear):
                per_mac = self.a_prime  # type: ignore[assignment]
            else:
                continue
            energy[stage] += layer.macs(shape, network.arithmetic) * per_mac
        return energy

    def delay(self, flops: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the time for ``flops`` FLOPs on the fully free board, in s."""
        return np.asarray(flops / self.flops_per_second)


#: The paper's device; energy constants of Lahmer et al. (2022), Table III.
JETSON_TX2 = Board(
    "Jetson TX2",
    flops_per_second=1.3e12,
    a=2.6727e-8,
    b=1.21334e-10,
    a_prime=6.2454e-9,
)

#: The paper's edge host. Its energy is not counted; the paper gives no constants for it.
XAVIER_NX = Board("Jetson Xavier NX", flops_per_second=21e12)
