"""Ready-made networks."""

from __future__ import annotations

from splitlib.network import (
    Arithmetic,
    Conv2d,
    DepthwiseConv2d,
    GlobalAveragePool,
    Layer,
    Linear,
    Network,
    Stage,
)

# Sandler et al. (2018), Table 2: expansion factor, output channels, repetitions, first stride.
_MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    *, image_size: int = 224, n_classes: int = 1000, arithmetic: Arithmetic = "exact"
) -> Network:
    """Return MobileNetV2 of width 1 with the paper's 20 splitting points.

    Splitting point 0 is the raw image, 1 is after the stem, 2 to 18 are after the 17 inverted
    residual blocks, and 19 is full local inference (with last convolution, pooling and classifier
    on the device).

    Parameters
    ----------
    image_size : int
        Height and width of the RGB input, in pixels.
    n_classes : int
        Outputs of the classifier.
    arithmetic : {"exact", "paper"}
        See `splitlib.network`.

    Returns
    -------
    Network
        With 19 stages.

    References
    ----------
    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018.

    Examples
    --------
    >>> network = mobilenet_v2()
    >>> len(network.output_elements), int(network.macs.sum())
    (20, 300774272)
    """
    channels = 32
    stages = [Stage("stem", (Conv2d(3, channels, 3, stride=2, padding=1),))]
    for expansion, out_channels, repetitions, first_stride in _MOBILENET_V2:
        for repetition in range(repetitions):
            stride = first_stride if repetition == 0 else 1
            block = _inverted_residual(channels, out_channels, stride, expansion)
            stages.append(Stage(f"block {len(stages)}", block))
            channels = out_channels
    head = (Conv2d(channels, 1280, 1), GlobalAveragePool(), Linear(1280, n_classes))
    stages.append(Stage("head", head))
    return Network("MobileNetV2", (3, image_size, image_size), tuple(stages), arithmetic)


def _inverted_residual(
    in_channels: int, out_channels: int, stride: int, expansion: int
) -> tuple[Layer, ...]:
    """Return expansion (omitted if the factor is 1), depthwise convolution and projection."""
    hidden = in_channels * expansion
    expand = (Conv2d(in_channels, hidden, 1),) if expansion != 1 else ()
    return (
        *expand,
        DepthwiseConv2d(hidden, 3, stride=stride, padding=1),
        Conv2d(hidden, out_channels, 1),
    )
