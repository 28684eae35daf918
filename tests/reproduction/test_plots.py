"""Plots of individual notebooks: their contents and units."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import splitlib as sl
from reproduction import plots
from reproduction.claims import VERDICTS
from splitlib import figures

pytestmark = pytest.mark.usefixtures("no_screen")


def test_frontier_is_drawn_over_energy_and_delay_and_shaded_beyond(sweeps, scenario):
    delay = np.array([0.0, 0.05, 0.1])
    saving = xr.DataArray(
        [[0.2, 0.9, 0.95], [0.1, 0.85, 0.9]],
        coords={"alpha_max": [1.0, 0.1], "mean_delay": delay},
    )
    plain = figures.plot_energy_delay(*sweeps, scenario)
    ax = plots.plot_frontier(*sweeps, saving, scenario)
    assert (ax.get_xlim(), ax.get_ylim()) == (plain.get_xlim(), plain.get_ylim())
    for each in (ax, *ax.child_axes):
        lines = [line for line in each.lines if line.get_linestyle() == "-."]
        for line, values in zip(lines, saving.values, strict=True):
            np.testing.assert_allclose(line.get_xdata(), 100 * values)
            np.testing.assert_allclose(line.get_ydata(), 1e3 * delay)
        shades = each.collections[-2:]
        for shade, values in zip(shades, saving.values, strict=True):
            area = shade.get_paths()[0]
            assert area.contains_point((100 * values[1] + 0.5, 50))
            assert not area.contains_point((100 * values[1] - 0.5, 50))
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"frontier", r"no policy that keeps $\epsilon$", "full local"} <= set(labels)
    with pytest.raises(ValueError, match=r"every alpha_max of adaptive, got none for \[0.1\]"):
        plots.plot_frontier(*sweeps, saving[:1], scenario)


def test_rivals_and_the_frontier(compared, scenario):
    at = compared.sel(alpha_max=[0.1])
    run = {"seeds": 2, "n_slots": 12_000, "burn_in": 2_000, "progress": False}
    curve = sl.sweep(sl.Scenario(alpha_max=0.1), V=[0.01, 0.1], **run)
    frontier = np.array([0.05, 0.6, 0.87])
    series = pd.Series(frontier, index=[5e-3, 20e-3, 50e-3])
    ax = plots.plot_rivals(at, curve, series, scenario)
    edge = ax.lines[0].get_xydata()
    np.testing.assert_allclose(edge[:3], np.array([100 * frontier, [5, 20, 50]]).T)
    assert edge[3][0] == edge[2][0], "beyond the last limit the frontier goes straight up"
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed[0].get_ydata()[0] == 50
    named = "\n".join(text.get_text() for text in ax.texts).split("\n")
    assert set(named) == {"the paper's controller", "full local", "full offloading"}


def test_operating_point(scenario):
    trace = sl.page_trace(scenario, 4000)
    run = {"burn_in": 500}
    curve = [sl.simulate(scenario, trace, V=V, **run) for V in (0.01, 0.1)]
    offloading = sl.simulate(scenario, trace, policy="full_offloading", **run)
    local = sl.simulate(scenario, trace, policy="full_local", **run)
    here = sl.simulate(scenario, trace, V=0.03, history=True, **run)
    delay, outage, splits, queues = plots.plot_operating_point(
        scenario, here, curve, offloading, local
    )
    drawn = {tuple(line.get_xydata()[0]) for line in delay.lines}
    for result in (here, offloading, curve[0], local):
        assert (100 * result.energy_saving, 1e3 * result.mean_delay) in drawn
    assert "%" in outage.get_ylabel()
    heights = [bar.get_height() for bar in splits.patches]
    assert np.allclose(heights, 100 * here.split_histogram / 3500)
    assert queues.lines[0].get_ydata()[0] == 0
    with pytest.raises(ValueError, match="here must have been simulated with history=True"):
        plots.plot_operating_point(scenario, curve[0], curve, offloading, local)


def test_verdicts_have_signs_and_differences_have_frames():
    kinds = VERDICTS
    table = pd.DataFrame(
        {"ours": [kinds[0], kinds[1]], "other": [kinds[2], kinds[1]], "vague": [kinds[3]] * 2},
        index=["one", "two"],
    )
    ax = plots.plot_verdicts(table, kinds)
    assert [text.get_text() for text in ax.texts] == ["✓", "✗", "·", "~", "~", "·"]
    framed = [patch.get_linewidth() > 1.5 for patch in ax.patches]
    assert framed == [False, True, True, False, False, True]
    assert [label.get_text() for label in ax.get_xticklabels()] == list(table.columns)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(table.index)
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == [f"{sign}  {kind}" for sign, kind in zip("✓~✗·", kinds, strict=True)]
