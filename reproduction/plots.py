"""Plots for individual notebooks, in the house style of `splitlib.figures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from splitlib import SETTLED_TOLERANCE, Result, Scenario, comparison, settled
from splitlib.figures import (
    COLORS,
    LIMIT,
    label_points,
    limit_handles,
    plot_energy_delay,
    policy_label,
    policy_style,
)
from splitlib.kernel import have_settled

#: Sign and colour of each verdict: three from good to bad, and one for claims that are too vague.
_SIGNS = (("✓", COLORS[0]), ("~", COLORS[8]), ("✗", COLORS[3]), ("·", (0.85, 0.85, 0.85)))


def plot_verdicts(verdicts: pd.DataFrame, kinds: Sequence[str], ax: Axes | None = None) -> Axes:
    """Plot a matrix of verdicts, and frame those that differ from the first column.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        One row for each claim, one column for each reading.
    kinds : sequence of str
        The four verdicts: three from good to bad, and that on claims that are too vague.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With a legend below.
    """
    height = 0.24 * len(verdicts) + 2.4
    ax = ax or plt.subplots(figsize=(9.5, height))[1]
    signs: dict[str, Any] = dict(zip(kinds, _SIGNS, strict=True))
    for y, (_, row) in enumerate(verdicts.iterrows()):
        for x, verdict in enumerate(row):
            sign, color = signs[verdict]
            differs = verdict != row.iloc[0]
            edge = {"edgecolor": "black", "linewidth": 1.6} if differs else {"edgecolor": "white"}
            box = Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=color, **edge)
            ax.add_patch(box)
            ink = "white" if verdict in (kinds[0], kinds[2]) else "black"
            ax.text(x, y, sign, ha="center", va="center", color=ink)
    ax.set(xlim=(-0.5, verdicts.columns.size - 0.5), ylim=(len(verdicts) - 0.5, -0.5))
    ax.set_yticks(range(len(verdicts)), verdicts.index, fontsize=9)
    ax.set_xticks(range(verdicts.columns.size), verdicts.columns, rotation=40, ha="left")
    ax.tick_params(length=0, labeltop=True, labelbottom=False, top=False, bottom=False)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    handles = [
        Patch(facecolor=color, label=f"{sign}  {kind}") for kind, (sign, color) in signs.items()
    ]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.4, 0), ncols=4, fontsize=9)
    return ax


def plot_frontier(
    adaptive: xr.Dataset,
    full_offloading: xr.Dataset,
    frontier: xr.DataArray,
    scenario: Scenario,
    ax: Axes | None = None,
) -> Axes:
    """Plot Fig. 2a with the largest saving that any policy can reach at each mean delay.

    The region beyond is shaded: no policy that keeps the outage limit can reach it.

    Parameters
    ----------
    adaptive, full_offloading, scenario
        As for `splitlib.figures.plot_energy_delay`.
    frontier : xarray.DataArray
        Largest energy saving, a share, over ``alpha_max`` (with the values of the sweeps) and
        ``mean_delay`` (ascending, in s).
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With a legend.

    Raises
    ------
    ValueError
        If the frontier lacks an availability of the sweep.
    """
    missing = sorted({*adaptive.alpha_max.values.tolist()} - {*frontier.alpha_max.values.tolist()})
    if missing:
        raise ValueError(f"frontier must hold every alpha_max of adaptive, got none for {missing}")
    style: dict[str, Any] = {"linestyle": "-.", "linewidth": 1.6}
    handles: list[Line2D | Patch] = [
        Line2D([], [], color="grey", **style, label="frontier"),
        Patch(color="grey", alpha=0.3, label=r"no policy that keeps $\epsilon$"),
    ]
    ax = plot_energy_delay(adaptive, full_offloading, scenario, ax, handles)
    panels = [ax, *(inset for inset in ax.child_axes if isinstance(inset, Axes))]
    bounds = ax.get_xlim(), ax.get_ylim()
    shade: dict[str, Any] = {"color": "grey", "alpha": 0.13, "linewidth": 0, "zorder": 0}
    for index, alpha_max in enumerate(adaptive.alpha_max.values):
        saving = 100 * frontier.sel(alpha_max=alpha_max).values
        delay = 1e3 * frontier.mean_delay.values
        for panel in panels:
            panel.plot(saving, delay, color=COLORS[index], **style)
            panel.fill_betweenx(delay, saving, 200, **shade)
    ax.set(xlim=bounds[0], ylim=bounds[1])
    return ax


def plot_rivals(
    data: xr.Dataset,
    curve: xr.Dataset,
    frontier: pd.Series,
    scenario: Scenario,
    ax: Axes | None = None,
) -> Axes:
    """Plot the controller as V grows, its rivals, and the frontier that no policy can cross.

    Parameters
    ----------
    data : xarray.Dataset
        From `splitlib.compare`, under one condition.
    curve : xarray.Dataset
        Sweep of the adaptive policy over V, under the same condition.
    frontier : pandas.Series
        Highest possible energy saving, from `splitlib.lower_bound`, over the limit on the mean
        delay in s, in ascending order. The outage limit is fixed.
    scenario : Scenario
        Gives the limits.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With mean delay (logarithmic) over energy saving.
    """
    ax = ax or plt.subplots(figsize=(8.5, 5.6))[1]
    found = comparison(data, scenario).droplevel([0, 1]).loc[data.policy.values]
    top = 1.6e3 * float(found.mean_delay.max())
    saving, delay = 100 * frontier.to_numpy(), 1e3 * frontier.index.to_numpy()
    edge = np.append(saving, saving[-1]), np.append(delay, top)
    ax.plot(*edge, color="black", linewidth=1.2)
    ax.fill_betweenx(edge[1], edge[0], 110, color="black", alpha=0.08, linewidth=0)
    ax.axhspan(1e-3, delay[0], color="black", alpha=0.08, linewidth=0)
    curve = curve.squeeze(["alpha_max", "path_loss_exponent"], drop=True)
    done = settled(curve, scenario).values
    along = 100 * curve.energy_saving.mean("seed"), 1e3 * curve.mean_delay.mean("seed")
    color = policy_style("adaptive")["color"]
    ax.plot(*along, color=color, linewidth=1.2, zorder=2)
    ax.plot(along[0][done], along[1][done], "o", color=color, markersize=3, zorder=2)
    keeps = found.keeps_delay & found.keeps_outage
    points = np.array([100 * found.energy_saving, 1e3 * found.mean_delay]).T
    halves = np.array([1e3 * found.mean_delay_half, 100 * found.energy_saving_half]).T
    for i, policy in enumerate(found.index):  # earlier policies on top
        style = policy_style(policy, keeps.iloc[i])
        ax.errorbar(*points[i], *halves[i], linewidth=1, zorder=4 - i / len(found), **style)
    ax.axhline(1e3 * scenario.d_avg, **LIMIT)
    ax.set_yscale("log", nonpositive="clip")
    ticks = [3, 5, 10, 20, 50, 100, 200, 500, 1000]
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlim=(-4, 104), ylim=(0.6 * delay[0], top), xticks=range(0, 101, 20))
    ax.set_xlabel("energy saving over full local inference (%)")
    ax.set_ylabel("mean end-to-end delay (ms)")
    ax.legend(
        handles=[
            Line2D(
                [], [], color=color, marker="o", markersize=3, label="the controller, as V grows"
            ),
            *limit_handles(
                r"limit $D_{\mathrm{avg}}$",
                r"frontier for outages $\leq \epsilon$: no policy beyond",
            ),
        ],
        loc="upper left",
        fontsize=9,
    )
    cast(Figure, ax.figure).draw_without_rendering()
    limit = np.array([ax.get_xlim(), [1e3 * scenario.d_avg] * 2])
    lines = [np.array(along), np.array(edge), limit]
    label_points(ax, points, [policy_label(p) for p in found.index], "\n", 8.5, lines)
    return ax


def _has_settled(result: Result, scenario: Scenario) -> bool:
    """Tell whether one run has settled; see `splitlib.settled`."""
    z_growth, h_growth = result.queue_growth
    limits = scenario.d_avg, scenario.d_max, scenario.epsilon
    slots = result.measured_slots
    return bool(have_settled(z_growth, h_growth, slots, *limits, SETTLED_TOLERANCE))


def plot_operating_point(
    scenario: Scenario,
    here: Result,
    curve: Sequence[Result],
    full_offloading: Result,
    full_local: Result,
    axes: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Plot the contents of the slider panel, for readers without JavaScript.

    Parameters
    ----------
    scenario : Scenario
        Gives the limits and the names of the splitting points.
    here : Result
        The adaptive policy at one V, with its history.
    curve : sequence of Result
        The adaptive policy at other V, settled or not.
    full_offloading, full_local : Result
        The benchmarks on the same trace.
    axes : sequence of 4 Axes, optional
        For delay and outage over energy saving, splitting points, and virtual queues.

    Returns
    -------
    list of Axes
        The four.
    """
    if here.history is None:
        raise ValueError("here must have been simulated with history=True, got no history")
    if axes is None:
        axes = plt.subplots(2, 2, figsize=(9.5, 6.4))[1].ravel()
    delay, outage, splits, queues = axes
    for ax, quantity, scale, limit, text in (
        (delay, "mean_delay", 1e3, scenario.d_avg, r"$D_{\mathrm{avg}}$"),
        (outage, "outage", 100, scenario.epsilon, r"$\epsilon$"),
    ):
        points = [(100 * r.energy_saving, scale * getattr(r, quantity)) for r in curve]
        ax.plot(*zip(*points, strict=True), color=COLORS[0], linewidth=1)
        for point, result in zip(points, curve, strict=True):
            fill = COLORS[0] if _has_settled(result, scenario) else "white"
            ax.plot(*point, "o", color=COLORS[0], mfc=fill, markersize=4)
        ax.axhline(scale * limit, **LIMIT)
        ax.annotate(
            text, (0, scale * limit), (4, 4), textcoords="offset points", annotation_clip=False
        )
        for result, marker, name in ((full_offloading, "*", "full offloading"), (here, "o", "")):
            at = 100 * result.energy_saving, scale * getattr(result, quantity)
            hollow: dict[str, Any] = {"mfc": "none", "mew": 2.5, "mec": COLORS[3]}
            ax.plot(*at, marker, color="black", markersize=11, **hollow if result is here else {})
            ax.annotate(name, at, (-8, -4), textcoords="offset points", ha="right")
        local = scale * getattr(full_local, quantity)
        if local > 0:
            ax.plot(100 * full_local.energy_saving, local, "X", color="black", markersize=8)
            ax.annotate("full local", (0, local), (8, 4), textcoords="offset points")
        else:  # a logarithmic axis cannot show 0
            ax.text(0, 0.02, "full local: 0 ↓", transform=ax.get_xaxis_transform())
        ax.set(xlabel="energy saving (%)", xlim=(-4, 104))
    delay.set(ylabel="mean end-to-end delay (ms)", ylim=(0, None))
    outage.set(ylabel="outage probability (%)", yscale="log")
    names = scenario.network.split_names
    share = 100 * here.split_histogram / here.measured_slots
    splits.bar(np.arange(len(names)), share, color=COLORS[0])
    splits.set_xticks(np.arange(len(names)), names, rotation=90, fontsize=8)
    splits.set_ylabel("share of slots (%)")
    splits.grid(axis="x", visible=False)
    thousands = np.arange(here.n_slots) / 1e3
    every = slice(None, None, max(1, here.n_slots // 1000))
    queues.plot(thousands[every], here.history.Z[every], color=COLORS[0], label="Z (s)")
    queues.plot(thousands[every], here.history.H[every], color=COLORS[1], label="H")
    queues.axvspan(0, here.burn_in / 1e3, color="grey", alpha=0.2, linewidth=0)
    queues.set(xlabel="slots (thousands)", ylabel="virtual queues", ylim=(0, None))
    queues.legend(loc="center right")
    return list(axes)
