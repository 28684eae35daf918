r"""Neural networks as chains of stages, cut at splitting points.

A network is a chain of *stages*; it can be cut before the first stage, between two stages, or
not at all. At splitting point :math:`k \in \{0, \dots, J\}` the first :math:`k` of the :math:`J`
stages run on the device: :math:`k = 0` sends the raw input, :math:`k = J` keeps the whole inference
on the device. A residual block is one stage, so no cut divides it.

Work is counted in multiply-accumulate operations (MACs) of convolutions and fully connected
layers; normalization, activations, pooling and additions are not counted. A MAC is two
floating-point operations (FLOPs).

**Exact arithmetic** (the default). A window of size :math:`K`, stride :math:`s` and padding
:math:`P` over an input of width :math:`w` has

.. math:: w_o = \lfloor (w + 2P - K) / s \rfloor + 1

positions, so a convolution costs :math:`w_o h_o K^2 d_i d_o` MACs, a depthwise one
:math:`w_o h_o K^2 d_o`, a fully connected layer :math:`u_i u_o` (5), and a layer outputs
:math:`w_o h_o d_o` elements.

**The paper's arithmetic** (``arithmetic="paper"``) keeps the printed forms, which omit the padding
in (1) and (3), the "+ 1" in (6), and the floor in both:

.. math::

   M_c &= \left((w - K) / s + 1\right)^2 d_i K^2 d_o \qquad (1) \\
   L_c &= d_o \left((w - K + 2P) / s\right)^2 \qquad (6)

Equation (3), the delay of a layer, is :math:`2 M_c / f`: see `splitlib.board`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from splitlib._check import check_choice, check_instance, check_integer, suggest_fields

Shape: TypeAlias = tuple[int, int, int]  #: channels, height, width
Arithmetic: TypeAlias = Literal["exact", "paper"]


def _window(size: int, kernel_size: int, stride: int, padding: int) -> int:
    """Return the number of positions of a sliding window along a side of ``size`` pixels."""
    return (size + 2 * padding - kernel_size) // stride + 1


@dataclass(frozen=True)
class _WindowLayer:
    """Base of convolutions and pooling: a square window that slides over the image."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "batch_norm":
                check_integer(f"{type(self).__name__}.{name}", value, int(name != "padding"))

    def _output_channels(self, channels: int) -> int:
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape (channels, height, width) of the output."""
        channels, *size = input_shape
        height, width = (_window(n, *self._geometry) for n in size)
        if min(height, width) < 1:
            raise ValueError(
                f"{type(self).__name__}.kernel_size must fit into the padded input,"
                f" got {self._geometry[0]} for an input of shape {input_shape}"
            )
        return self._output_channels(channels), height, width

    @property
    def _geometry(self) -> tuple[int, int, int]:
        """Kernel size, stride and padding."""
        own: Any = self
        return own.kernel_size, own.stride, own.padding

    def _positions(self, input_shape: Shape, arithmetic: Arithmetic) -> float:
        """Return the number of window positions, as in (1) for the paper's arithmetic."""
        if arithmetic == "exact":
            return prod(self.output_shape(input_shape)[1:])
        kernel_size, stride, _ = self._geometry
        return prod((n - kernel_size) / stride + 1 for n in input_shape[1:])

    def output_elements(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return the number of output elements, as in (6) for the paper's arithmetic."""
        if arithmetic == "exact":
            return prod(self.output_shape(input_shape))
        kernel_size, stride, padding = self._geometry
        channels = self._output_channels(input_shape[0])
        return channels * prod((n - kernel_size + 2 * padding) / stride for n in input_shape[1:])


@suggest_fields
@dataclass(frozen=True)
class Conv2d(_WindowLayer):
    """Convolution with square kernels, without bias, with or without batch normalization.

    Parameters
    ----------
    in_channels, out_channels : int
        Numbers of input and output feature maps, :math:`d_i` and :math:`d_o`.
    kernel_size : int
        Side :math:`K` of the kernel, in pixels.
    stride, padding : int
        Stride :math:`s` and padding :math:`P` on each side, in pixels.
    batch_norm : bool
        Whether batch normalization follows: it adds parameters but no MACs.

    Examples
    --------
    >>> stem = Conv2d(3, 32, kernel_size=3, stride=2, padding=1)
    >>> stem.output_shape((3, 224, 224)), stem.macs((3, 224, 224))
    ((32, 112, 112), 10838016)
    """

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    batch_norm: bool = True

    def _output_channels(self, channels: int) -> int:
        if channels != self.in_channels:
            raise ValueError(
                f"Conv2d.in_channels must be the {channels} channels of its input,"
                f" got {self.in_channels}"
            )
        return self.out_channels

    def macs(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return the MACs of one inference, equation (1)."""
        weights = self.in_channels * self.kernel_size**2 * self.out_channels
        return self._positions(input_shape, arithmetic) * weights

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        weights = self.in_channels * self.kernel_size**2 * self.out_channels
        return weights + 2 * self.out_channels * self.batch_norm


@suggest_fields
@dataclass(frozen=True)
class DepthwiseConv2d(_WindowLayer):
    """Depthwise convolution: one kernel for each channel.

    Its MACs are those of (1) without the sum over input channels,
    :math:`w_o h_o K^2 d_o` (Huang et al., 2020, eq. 4). Parameters as in `Conv2d`.

    Examples
    --------
    >>> DepthwiseConv2d(32, kernel_size=3, padding=1).macs((32, 112, 112))
    3612672
    """

    channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    batch_norm: bool = True

    def _output_channels(self, channels: int) -> int:
        if channels != self.channels:
            raise ValueError(
                f"DepthwiseConv2d.channels must be the {channels} channels of its input,"
                f" got {self.channels}"
            )
        return channels

    @property
    def out_channels(self) -> int:
        """Number of output channels, equal to that of the input."""
        return self.channels

    def macs(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return the MACs of one inference."""
        return self._positions(input_shape, arithmetic) * self.kernel_size**2 * self.channels

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return self.channels * (self.kernel_size**2 + 2 * self.batch_norm)


@suggest_fields
@dataclass(frozen=True)
class Pool2d(_WindowLayer):
    """Maximum or average pooling: it shrinks the feature maps and costs no MACs.

    Examples
    --------
    >>> Pool2d(kernel_size=2, stride=2).output_shape((64, 112, 112))
    (64, 56, 56)
    """

    kernel_size: int
    stride: int = 1
    padding: int = 0

    def _output_channels(self, channels: int) -> int:
        return channels

    def macs(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return 0: pooling multiplies nothing."""
        return 0

    @property
    def parameters(self) -> int:
        """Number of trained parameters: none."""
        return 0


@dataclass(frozen=True)
class GlobalAveragePool:
    """Average of each feature map.

    Examples
    --------
    >>> GlobalAveragePool().output_shape((1280, 7, 7))
    (1280, 1, 1)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape (channels, 1, 1) of the output."""
        return input_shape[0], 1, 1

    def output_elements(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return the number of output elements, one for each channel."""
        return input_shape[0]

    def macs(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return 0: pooling multiplies nothing."""
        return 0

    @property
    def parameters(self) -> int:
        """Number of trained parameters: none."""
        return 0


@suggest_fields
@dataclass(frozen=True)
class Linear:
    """Fully connected layer with bias.

    Parameters
    ----------
    in_features, out_features : int
        Input size :math:`u_i` (all elements of the input) and output size :math:`u_o`.

    Examples
    --------
    >>> Linear(1280, 1000).macs((1280, 1, 1))
    1280000
    """

    in_features: int
    out_features: int

    def __post_init__(self) -> None:
        check_integer("Linear.in_features", self.in_features)
        check_integer("Linear.out_features", self.out_features)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape (out_features, 1, 1) of the output."""
        if prod(input_shape) != self.in_features:
            raise ValueError(
                f"Linear.in_features must be the {prod(input_shape)} elements of its input,"
                f" got {self.in_features}"
            )
        return self.out_features, 1, 1

    def output_elements(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return the number of output elements."""
        return self.out_features

    def macs(self, input_shape: Shape, arithmetic: Arithmetic = "exact") -> float:
        """Return the MACs of one inference, equation (5): :math:`M_u = u_i u_o`."""
        return self.in_features * self.out_features

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return (self.in_features + 1) * self.out_features


Layer: TypeAlias = Conv2d | DepthwiseConv2d | Pool2d | GlobalAveragePool | Linear


@suggest_fields
@dataclass(frozen=True)
class Stage:
    """Layers between two neighbouring splitting points.

    Parameters
    ----------
    name : str
        Name shown in tables and figures.
    layers : tuple of layers
        Run one after the other.
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ValueError(f"Stage.layers must hold at least one layer, got () in {self.name!r}")
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise TypeError(
                    f"Stage.layers must hold layers of splitlib.network, got {layer!r}"
                    f" in {self.name!r}"
                )


@suggest_fields
@dataclass(frozen=True)
class Network:
    """A chain of stages, cut at splitting points ``k = 0 .. J``.

    Parameters
    ----------
    name : str
        Name of the network.
    input_shape : tuple of int
        Channels, height and width of an input image.
    stages : tuple of Stage
        The ``J`` stages, in order.
    arithmetic : {"exact", "paper"}
        How MACs and output elements are counted: as in a real convolution, or as (1) and (6) are
        printed.

    Raises
    ------
    ValueError
        If there is no stage, or a layer does not fit the output of the one before it.

    Examples
    --------
    >>> lenet = Network(
    ...     "LeNet",
    ...     (1, 28, 28),
    ...     (
    ...         Stage("conv1", (Conv2d(1, 6, 5, padding=2), Pool2d(2, stride=2))),
    ...         Stage("conv2", (Conv2d(6, 16, 5), Pool2d(2, stride=2))),
    ...         Stage("classifier", (Linear(400, 120), Linear(120, 84), Linear(84, 10))),
    ...     ),
    ... )
    >>> lenet.macs
    array([117600, 240000,  58920])
    >>> lenet.output_elements
    array([ 784, 1176,  400,   10])
    """

    name: str
    input_shape: Shape
    stages: tuple[Stage, ...]
    arithmetic: Arithmetic = "exact"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        check_choice("Network.arithmetic", self.arithmetic, ("exact", "paper"))
        if len(self.input_shape) != 3:
            raise ValueError(
                f"Network.input_shape must be (channels, height, width), got {self.input_shape!r}"
            )
        for size in self.input_shape:
            check_integer("Network.input_shape", size)
        if not self.stages:
            raise ValueError(f"Network.stages must hold at least one stage, got () in {self.name}")
        for stage in self.stages:
            check_instance("Network.stages", stage, Stage)
        for _ in self.layers():  # raises if a layer does not fit the one before it
            pass

    def layers(self) -> Iterator[tuple[int, Layer, Shape]]:
        """Iterate over ``(index of the stage, layer, shape of the layer's input)``."""
        shape = self.input_shape
        for index, stage in enumerate(self.stages):
            for layer in stage.layers:
                yield index, layer, shape
                try:
                    shape = layer.output_shape(shape)
                except ValueError as error:
                    raise ValueError(f"{error} (stage {stage.name!r})") from None

    def _sum_over_stages(self, values: Iterator[tuple[int, float]]) -> NDArray[Any]:
        sums: list[float] = [0] * len(self.stages)
        for index, value in values:
            sums[index] += value
        return np.array(sums)

    @cached_property
    def macs(self) -> NDArray[Any]:
        """MACs of each stage for one image; shape ``(J,)``."""
        return self._sum_over_stages(
            (index, layer.macs(shape, self.arithmetic)) for index, layer, shape in self.layers()
        )

    @property
    def flops(self) -> NDArray[Any]:
        """FLOPs of each stage for one image, :math:`W = 2 M`; shape ``(J,)``."""
        return 2 * self.macs

    @property
    def parameters(self) -> NDArray[Any]:
        """Trained parameters of each stage; shape ``(J,)``."""
        return self._sum_over_stages((index, layer.parameters) for index, layer, _ in self.layers())

    @cached_property
    def output_elements(self) -> NDArray[Any]:
        """Number of elements passed on at splitting point ``k = 0 .. J``; shape ``(J + 1,)``.

        The first entry is the raw input, the last one the network's output.
        """
        last = {index: (layer, shape) for index, layer, shape in self.layers()}
        return np.array(
            [prod(self.input_shape)]
            + [layer.output_elements(shape, self.arithmetic) for layer, shape in last.values()]
        )

    @property
    def split_names(self) -> tuple[str, ...]:
        """Name of each splitting point ``k = 0 .. J``: the last stage before the cut."""
        return ("input", *(stage.name for stage in self.stages))
