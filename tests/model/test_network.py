"""Costs of networks, against a public counter and layers computed by hand."""

import warnings

import numpy as np
import pytest

import splitlib as sl


@pytest.fixture(scope="module")
def public():
    """Return PaddlePaddle and its MobileNetV2."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import paddle
        from paddle.vision.models import mobilenet_v2

        model = mobilenet_v2(pretrained=False)
        model.eval()
        return paddle, model


@pytest.fixture
def modules(public):
    """Return the parts of the public model that correspond to our stages, in order."""
    paddle, model = public
    nn = paddle.nn
    head = nn.Sequential(model.features[18], model.pool2d_avg, nn.Flatten(), model.classifier)
    head.eval()
    return [*(model.features[index] for index in range(18)), head]


@pytest.mark.filterwarnings("ignore")
def test_macs_of_every_stage_agree_with_the_public_counter(public, modules, monkeypatch):
    paddle, _ = public
    # Paddle's report converts an array of one element to int, which NumPy no longer allows.
    monkeypatch.setattr(paddle.Tensor, "__int__", lambda tensor: int(tensor.numpy().item()))

    def nothing(layer, inputs, output):
        layer.total_ops = layer.total_ops * 0

    nn = paddle.nn
    not_counted = dict.fromkeys((nn.BatchNorm2D, nn.ReLU6, nn.AdaptiveAvgPool2D), nothing)
    network = sl.mobilenet_v2()
    shape = network.input_shape
    for stage, module, macs in zip(network.stages, modules, network.macs, strict=True):
        assert paddle.flops(module, [1, *shape], custom_ops=not_counted) == macs, stage.name
        for layer in stage.layers:
            shape = layer.output_shape(shape)


@pytest.mark.filterwarnings("ignore")
def test_shapes_and_parameters_agree_with_the_public_model(public, modules):
    paddle, _ = public
    network = sl.mobilenet_v2()
    image = paddle.zeros([1, *network.input_shape])
    for index, module in enumerate(modules):
        image = module(image)
        assert image.size == network.output_elements[index + 1], network.stages[index].name
        trained = sum(int(p.size) for p in module.parameters() if not p.stop_gradient)
        assert trained == network.parameters[index], network.stages[index].name


def test_totals_reported_by_every_public_counter():
    network = sl.mobilenet_v2()
    assert network.input_shape == (3, 224, 224)
    assert network.macs.sum() == 300_774_272
    assert network.parameters.sum() == 3_504_872
    assert np.array_equal(network.flops, 2 * network.macs)
    assert len(network.split_names) == 20


def test_equations_1_and_6_as_printed_by_hand():
    layer = sl.Conv2d(3, 32, 3, stride=2, padding=1)
    image = (3, 224, 224)
    assert layer.macs(image, "paper") == ((224 - 3) / 2 + 1) ** 2 * 3 * 9 * 32
    assert layer.output_elements(image, "paper") == 32 * ((224 - 3 + 2) / 2) ** 2
    depthwise = sl.DepthwiseConv2d(16, 5, stride=2, padding=2)
    assert depthwise.macs((16, 30, 30), "paper") == ((30 - 5) / 2 + 1) ** 2 * 25 * 16
    assert depthwise.output_elements((16, 30, 30), "paper") == 16 * ((30 - 5 + 4) / 2) ** 2


def test_layer_defaults_by_hand():
    """The defaults are stride 1, no padding, and batch normalization."""
    image = (4, 9, 8)
    assert sl.Pool2d(2).output_shape(image) == (4, 8, 7)
    assert sl.DepthwiseConv2d(4, 3).output_shape(image) == (4, 7, 6)
    assert sl.Conv2d(4, 5, 3).output_shape(image) == (5, 7, 6)
    assert sl.GlobalAveragePool().output_elements(image) == 4
    for batch_norm in (False, True):
        assert sl.Conv2d(4, 5, 3, batch_norm=batch_norm).parameters == 180 + 10 * batch_norm
        assert sl.DepthwiseConv2d(4, 3, batch_norm=batch_norm).parameters == 36 + 8 * batch_norm


def test_networks_compare_by_value():
    assert sl.mobilenet_v2() == sl.mobilenet_v2()
    assert len({sl.mobilenet_v2(), sl.mobilenet_v2(), sl.mobilenet_v2(image_size=96)}) == 2


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "positions"),
    [(7, 3, 1, 0, 5), (7, 3, 2, 0, 3), (8, 3, 2, 0, 3), (8, 3, 2, 1, 4), (5, 5, 1, 0, 1)],
)
def test_number_of_window_positions_agrees_with_counting(size, kernel, stride, padding, positions):
    starts = range(-padding, size + padding - kernel + 1, stride)
    assert len(starts) == positions
    image = (2, size, size)
    layer = sl.Conv2d(2, 4, kernel, stride=stride, padding=padding)
    assert layer.output_shape(image) == (4, positions, positions)
    assert layer.macs(image) == positions**2 * kernel**2 * 8
    assert layer.output_elements(image) == 4 * positions**2
    pool = sl.Pool2d(kernel, stride=stride, padding=padding)
    assert pool.output_elements(image) == 2 * positions**2
    assert pool.macs(image) == pool.parameters == 0


def test_energy_of_a_stage_by_hand():
    network = sl.Network(
        "small",
        (3, 8, 8),
        (
            sl.Stage("a", (sl.Conv2d(3, 4, 1), sl.DepthwiseConv2d(4, 3, padding=1))),
            sl.Stage("b", (sl.GlobalAveragePool(), sl.Linear(4, 10))),
        ),
    )
    board = sl.Board("board", 1e9, a=8.0, b=0.5, a_prime=3.0)
    expected = [64 * 12 * (8 / 4 + 0.5) + 64 * 9 * 4 * (8 / 4 + 0.5), 40 * 3.0]
    assert board.energy(network) == pytest.approx(expected, rel=1e-14)
    assert board.delay(np.array([2e9])) == pytest.approx([2.0])


def test_energy_of_mobilenet_v2_on_the_tx2():
    assert sl.JETSON_TX2.energy(sl.mobilenet_v2()).sum() == pytest.approx(0.1357, abs=5e-5)


def one_stage(shape, *layers):
    """Return a network of one stage."""
    return sl.Network("n", shape, (sl.Stage("first", layers),))


POOL = sl.GlobalAveragePool()


@pytest.mark.parametrize(("build", "message"), [
    (lambda: sl.Network("n", (1, 8, 8), ()), "Network.stages must hold at least one stage"),
    (lambda: one_stage((1, 8), POOL), r"input_shape must be \(channels, height, width\), got"),
    (lambda: one_stage((1, 0, 8), POOL), "Network.input_shape must be an integer of at least 1"),
    (lambda: one_stage((1, 8, 8)), "Stage.layers must hold at least one layer.*'first'"),
    (lambda: sl.mobilenet_v2(arithmetic="printed"), "Network.arithmetic must be one of 'exact'"),
    (lambda: sl.Conv2d(3, 8, 0), "Conv2d.kernel_size must be an integer of at least 1, got 0"),
    (lambda: sl.Conv2d(3, 8, 3, padding=-1), "Conv2d.padding must be an integer of at least 0"),
    (lambda: sl.Pool2d(2, stride=0), "Pool2d.stride must be an integer of at least 1, got 0"),
    (lambda: sl.Linear(3, 2.5), "Linear.out_features must be an integer of at least 1, got 2.5"),
    (lambda: one_stage((1, 8, 8), sl.Conv2d(3, 8, 3)),
     "Conv2d.in_channels must be the 1 channels of its input, got 3 .stage 'first'"),
    (lambda: one_stage((4, 8, 8), sl.Conv2d(3, 8, 3)), "be the 4 channels of its input, got 3"),
    (lambda: one_stage((1, 2, 4), sl.Conv2d(1, 8, 3, stride=2)),
     r"kernel_size must fit into the padded input, got 3 for an input of shape \(1, 2, 4\)"),
    (lambda: one_stage((1, 2, 2), sl.Linear(3, 2)), "must be the 4 elements of its input, got 3"),
    (lambda: one_stage((3, 2, 2), sl.DepthwiseConv2d(2, 1)), "be the 3 channels of its input, got"),
    (lambda: one_stage((1, 8, 8, 8), POOL), "input_shape must be .* got .1, 8, 8, 8"),
    (lambda: one_stage((1, 2, 2), sl.Linear(5, 2)), "Linear.in_features must be the 4 elements"),
    (lambda: one_stage((1, 2, 2), sl.DepthwiseConv2d(2, 1)), "channels must be the 1 channels"),
    (lambda: sl.XAVIER_NX.energy(sl.mobilenet_v2()), "without a, b, a_prime"),
    (lambda: sl.Board("b", 0.0), r"Board.flops_per_second must be a finite number in \(0, inf\)"),
    (lambda: sl.Board("b", 1.0, a=-1.0), r"Board.a must be a finite number in \[0, inf\)"),
])  # fmt: skip
def test_invalid_networks_and_boards_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(("build", "message"), [
    (lambda: sl.Stage("s", ("conv",)), "must hold layers of splitlib.network, got 'conv'"),
    (lambda: sl.Network("n", (1, 8, 8), ("stage",)), "Network.stages must be a Stage"),
    (lambda: sl.Board("b", "fast"), "Board.flops_per_second must be a real number"),
    (lambda: sl.Board("b", flops=1.0), "Board has no field 'flops'.*'flops_per_second'"),
    (lambda: sl.JETSON_TX2.energy("net"), "network must be a Network"),
])  # fmt: skip
def test_wrong_types_are_refused(build, message):
    with pytest.raises(TypeError, match=message):
        build()
