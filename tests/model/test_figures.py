"""Figures: their contents and units, and that equal figures give equal files."""

import matplotlib as mpl
import numpy as np
import pytest

import splitlib as sl
from splitlib import figures

pytestmark = pytest.mark.usefixtures("no_screen")


def horizontal_lines(ax):
    """Return the heights of the dashed lines across the axes."""
    return [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]


def test_layer_costs(scenario):
    above, below = figures.plot_layer_costs(scenario)
    assert above.lines[0].get_ydata()[-1] == 300_774_272
    assert below.lines[0].get_ydata()[0] == 4_816_896
    assert len(below.lines[0].get_xdata()) == 19
    assert (above.get_yscale(), below.get_yscale()) == ("log", "log")


def test_stage_costs(scenario):
    above, below = figures.plot_stage_costs(scenario)
    energy = [bar.get_height() for bar in below.patches]
    assert sum(energy) == pytest.approx(135.67, abs=0.01)
    device = [bar.get_height() for bar in above.patches[:19]]
    assert sum(device) == pytest.approx(2 * 300_774_272 / 1.3e12 * 1e6)
    assert "mJ" in below.get_ylabel()
    assert "µs" in above.get_ylabel()


def test_energy_delay(sweeps, scenario):
    adaptive, offloading = sweeps
    ax = figures.plot_energy_delay(adaptive, offloading, scenario)
    assert horizontal_lines(ax) == [50]
    mean = adaptive.sel(alpha_max=1.0).mean("seed").squeeze()
    line = next(line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()))
    np.testing.assert_allclose(line.get_xdata(), mean.energy_saving * 100)
    np.testing.assert_allclose(line.get_ydata(), mean.mean_delay * 1e3)
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert all(len(line.get_xdata()) == 1 for line in hollow), "V = 100 alone has not settled"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"full offloading", "full local", "queues not settled"} <= set(labels)


def test_outage(sweeps, scenario):
    ax = figures.plot_outage(*sweeps, scenario)
    assert horizontal_lines(ax) == [0.01]
    assert ax.get_yscale() == "log"


def test_split_figures(scenario):
    data = sl.sweep(
        scenario, V=0.1, alpha_max=[0.01, 0.1, 1.0], path_loss_exponent=[3.0, 4.0],
        seeds=2, n_slots=12_000, burn_in=2_000, progress=False,
    )  # fmt: skip
    panels = figures.plot_split_availability(data, scenario)
    line = next(line for line in panels[1].lines if len(line.get_xdata()) == 3)
    mean = data.mean_split.mean("seed").sel(path_loss_exponent=4.0).squeeze()
    np.testing.assert_allclose(line.get_ydata(), mean)
    heatmaps = figures.plot_split_heatmaps(data)
    shares = heatmaps[0].collections[0].get_array()
    np.testing.assert_allclose(shares.sum(axis=0).filled(), 100)


def test_files_are_reproducible_and_the_style_is_restored(sweeps, scenario, tmp_path):
    before = dict(mpl.rcParams)
    for name in ("first", "second"):
        with figures.style():
            ax = figures.plot_outage(*sweeps, scenario)
            figures.save(ax.figure, "figure", tmp_path / name)
    assert dict(mpl.rcParams) == before
    for suffix in ("png", "svg"):
        first, second = (tmp_path / name / f"figure.{suffix}" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("quantity", "scale", "limit"), [("mean_delay", 1e3, 50), ("outage", 100, 1)]
)
def test_comparison_has_a_panel_for_each_condition(compared, scenario, quantity, scale, limit):
    panels = figures.plot_comparison(compared, scenario, quantity)
    assert len(panels) == 2
    for ax, alpha_max in zip(panels, (1.0, 0.1), strict=True):
        assert f"= {alpha_max:g}" in ax.get_title()
        assert limit in horizontal_lines(ax)
        here = compared.sel(alpha_max=alpha_max).mean("seed").squeeze()
        drawn = {line.get_marker(): line for line in ax.lines if line.get_marker() in "oX*"}
        for marker, policy in zip("oX*", compared.policy.values, strict=True):
            left, up = drawn[marker].get_xydata()[0]
            assert left == pytest.approx(100 * (1 - here.energy_saving.sel(policy=policy).item()))
            assert up == pytest.approx(scale * here[quantity].sel(policy=policy).item())
        hollow = [drawn[marker].get_markerfacecolor() == "white" for marker in "oX*"]
        assert hollow == [False, False, True], "full offloading alone breaks a limit"
        bound = 100 * (1 - here.bound.item())
        assert any(np.allclose(line.get_xdata(), bound) for line in ax.lines)
        texts = ", ".join(text.get_text() for text in ax.texts)
        assert sorted(texts.split(", ")) == ["1", "2", "3"]
    (legend,) = panels[0].figure.legends
    assert legend.get_texts()[2].get_text() == "3  full offloading"


def test_labels_do_not_overlap(scenario):
    ax = figures.plt.subplots()[1]
    ax.set(xlim=(0, 1), ylim=(0, 1))
    points = np.array([[0.5, 0.5], [0.5, 0.5], [0.53, 0.5], [0.98, 0.97], [0.5, 0.53]])
    ax.figure.draw_without_rendering()
    figures.label_points(ax, points, ["a", "b", "long name", "corner", "d"], ", ", 8)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == ["a, b", "long name", "corner", "d"]
    for i, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[i + 1 :])
        assert ax.get_window_extent().contains(*box.min)
        assert ax.get_window_extent().contains(*box.max)


def test_labels_of_policies():
    assert figures.policy_label("in_good_time") == "in good time"
    assert figures.policy_label("neurosurgeon+dads") == "Neurosurgeon (latency), DADS"
    assert len({figures.policy_label(name) for name in sl.POLICIES}) == len(sl.POLICIES)


def test_all_policies_have_distinct_looks_even_new_ones(monkeypatch):
    monkeypatch.setattr(sl.policies, "POLICIES", dict(sl.POLICIES))
    monkeypatch.setattr(figures, "POLICIES", sl.policies.POLICIES)
    sl.register("one more", name="more")(lambda scenario, trace: sl.Rule.over(scenario, [9]))
    looks = [figures.policy_style(name) for name in [*figures.POLICIES, "never registered"]]
    assert len({(str(look["color"]), look["marker"]) for look in looks}) == len(looks)
    assert figures.policy_label("more") == "one more"
