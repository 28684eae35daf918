"""Plots of the paper's figures, in one house style.

Each ``plot_*`` function draws labelled data into axes (its own, if none are given) and returns
the axes. Needs matplotlib and seaborn, which ``pip install splitlib[figures]`` brings; nothing
else in `splitlib` imports this module.

Examples
--------
>>> from splitlib import Scenario, figures
>>> with figures.style():
...     axes = figures.plot_layer_costs(Scenario())
>>> len(axes)
2
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from splitlib.kernel import have_settled
from splitlib.scenario import Scenario
from splitlib.simulate import SETTLED_TOLERANCE, Result, settled
from splitlib.statistics import confidence_interval

#: The house style for what is drawn outside this module: lines, their markers, and limits.
COLORS = sns.color_palette("colorblind")
MARKERS = "osD^v"
LIMIT: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.2}
_RC: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "font.size": 11,
    "grid.alpha": 0.4,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.hashsalt": "splitlib",  # same figure, same bytes
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style; rcParams outside stay as they are.

    Only what the style sets is set back. Setting back everything, as `matplotlib.rc_context` does,
    would undo that Jupyter turns interactive drawing on, and later figures would not be shown.
    """
    rc = dict(sns.axes_style("ticks")) | _RC
    before = {name: plt.rcParams[name] for name in rc}
    plt.rcParams.update(rc)
    try:
        yield
    finally:
        plt.rcParams.update(before)


def save(figure: Figure, name: str, folder: str | Path = "figures") -> None:
    """Write ``figure`` as PNG and SVG, without date, so that equal figures are equal files.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    name : str
        File name without extension.
    folder : path
        Created where missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png")
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def plot_layer_costs(scenario: Scenario, axes: tuple[Axes, Axes] | None = None) -> list[Axes]:
    """Plot local MACs and offloaded bits over the splitting points (the paper's Fig. 1).

    Parameters
    ----------
    scenario : Scenario
        Gives network and bits per element.
    axes : two Axes, optional
        For MACs and bits.

    Returns
    -------
    list of Axes
        The two.
    """
    above, below = axes or plt.subplots(2, 1, sharex=True, figsize=(7.5, 5.6))[1]
    splits = np.arange(len(scenario.network.stages) + 1)
    macs = scenario.profile.local_flops / scenario.flops_per_mac
    bits = scenario.profile.offload_bits
    above.semilogy(splits[1:], macs[1:], "o-", color=COLORS[0])
    _annotate_zero(above, 0)
    above.set_ylabel("MACs on the device\nper image")
    below.semilogy(splits[:-1], bits[:-1], "s-", color=COLORS[1])
    below.axhline(bits[0], **LIMIT)
    below.annotate(
        "raw image", (splits[-1], bits[0]), (0, 4), textcoords="offset points", ha="right"
    )
    _annotate_zero(below, splits[-1])
    below.set_ylabel("bits to send\nper image")
    below.set_xlabel("splitting point k")
    below.set_xticks(splits)
    return [above, below]


def _annotate_zero(ax: Axes, split: int) -> None:
    """Mark a value of 0, which a logarithmic axis cannot hold, at its lower end."""
    ax.text(split, 0.02, "0\n↓", transform=ax.get_xaxis_transform(), ha="center")


def plot_stage_costs(scenario: Scenario, axes: tuple[Axes, Axes] | None = None) -> list[Axes]:
    """Plot where time and energy of a full local inference go, stage by stage.

    Parameters
    ----------
    scenario : Scenario
        Gives network, device and host.
    axes : two Axes, optional
        For time and energy.

    Returns
    -------
    list of Axes
        The two.
    """
    above, below = axes or plt.subplots(2, 1, sharex=True, figsize=(7.5, 5.6))[1]
    names = [stage.name for stage in scenario.network.stages]
    places = np.arange(len(names))
    for shift, board, color in ((-0.2, scenario.device, 0), (0.2, scenario.host, 2)):
        above.bar(
            places + shift,
            board.delay(scenario.flops_per_mac * scenario.network.macs) * 1e6,
            0.4,
            color=COLORS[color],
            label=f"{board.name}{'' if board is scenario.device else ', all of it free'}",
        )
    above.set_ylabel("time per image (µs)")
    above.margins(y=0.25)
    above.legend(ncols=2, loc="upper right")
    below.bar(places, scenario.device.energy(scenario.network) * 1e3, 0.6, color=COLORS[1])
    below.set_ylabel(f"energy per image on\nthe {scenario.device.name} (mJ)")
    below.set_xticks(places, names, rotation=60, ha="right")
    for ax in (above, below):
        ax.grid(axis="x", visible=False)
    return [above, below]


def plot_energy_delay(
    adaptive: xr.Dataset,
    full_offloading: xr.Dataset,
    scenario: Scenario,
    ax: Axes | None = None,
) -> Axes:
    """Plot mean end-to-end delay over energy saving as V grows (the paper's Fig. 2a).

    Parameters
    ----------
    adaptive, full_offloading : xarray.Dataset
        Sweeps of the two policies over the same α_max and seeds, at one path-loss exponent.
    scenario : Scenario
        Gives the limit d_avg and the delay of full local inference.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With a legend.
    """
    ax = ax or plt.subplots(figsize=(7.5, 4.8))[1]
    _plot_over_saving(ax, adaptive, full_offloading, scenario, "mean_delay", 1e3)
    profile = scenario.profile
    local_delay = scenario.arrival_rate * float(scenario.device.delay(profile.local_flops[-1]))
    ax.plot(0, local_delay * 1e3, "X", color="black", markersize=9)
    ax.axhline(scenario.d_avg * 1e3, **LIMIT)
    ax.set_ylabel("mean end-to-end delay (ms)")
    ax.set_ylim(bottom=0)
    zoom = ax.inset_axes((0.41, 0.5, 0.42, 0.45))
    _plot_over_saving(zoom, adaptive, full_offloading, scenario, "mean_delay", 1e3)
    zoom.axhline(scenario.d_avg * 1e3, **LIMIT)
    zoom.set(xlim=(83, 97), ylim=(44, 56), xlabel="", title="where the limit binds")
    zoom.tick_params(labelsize=9)
    zoom.title.set_fontsize(9)
    ax.indicate_inset_zoom(zoom)
    _legend_over_saving(ax, adaptive, *_limit_and_full_local())
    return ax


def _limit_and_full_local() -> list[Line2D]:
    return [
        Line2D([], [], **LIMIT, label=r"limit $D_{\mathrm{avg}}$"),
        Line2D([], [], color="black", marker="X", linestyle="", label="full local"),
    ]


def plot_frontier(
    adaptive: xr.Dataset,
    full_offloading: xr.Dataset,
    frontier: xr.DataArray,
    scenario: Scenario,
    ax: Axes | None = None,
) -> Axes:
    """Plot Fig. 2a with the largest saving that any policy can reach at each mean delay.

    What lies beyond it is shaded: no policy that keeps the limit of the outage can be there.

    Parameters
    ----------
    adaptive, full_offloading, scenario
        As for `plot_energy_delay`.
    frontier : xarray.DataArray
        Largest energy saving, a share, over ``alpha_max`` (with the values of the sweeps) and
        ``mean_delay`` (rising, in s).
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
    ax = plot_energy_delay(adaptive, full_offloading, scenario, ax)
    panels = [ax, *(inset for inset in ax.child_axes if isinstance(inset, Axes))]
    bounds = ax.get_xlim(), ax.get_ylim()
    style: dict[str, Any] = {"linestyle": "-.", "linewidth": 1.6}
    shade: dict[str, Any] = {"color": "grey", "alpha": 0.13, "linewidth": 0, "zorder": 0}
    for index, alpha_max in enumerate(adaptive.alpha_max.values):
        saving = 100 * frontier.sel(alpha_max=alpha_max).values
        delay = 1e3 * frontier.mean_delay.values
        for panel in panels:
            panel.plot(saving, delay, color=COLORS[index], **style)
            panel.fill_betweenx(delay, saving, 200, **shade)
    ax.set(xlim=bounds[0], ylim=bounds[1])
    _legend_over_saving(
        ax,
        adaptive,
        *_limit_and_full_local(),
        Line2D([], [], color="grey", **style, label="frontier"),
        Patch(color="grey", alpha=0.3, label=r"no policy that keeps $\epsilon$"),
    )
    return ax


def plot_outage(
    adaptive: xr.Dataset,
    full_offloading: xr.Dataset,
    scenario: Scenario,
    ax: Axes | None = None,
) -> Axes:
    """Plot outage probability over energy saving as V grows (the paper's Fig. 2b).

    Parameters
    ----------
    adaptive, full_offloading : xarray.Dataset
        As for `plot_energy_delay`.
    scenario : Scenario
        Gives the limit epsilon.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With a legend.
    """
    ax = ax or plt.subplots(figsize=(7.5, 4.8))[1]
    _plot_over_saving(ax, adaptive, full_offloading, scenario, "outage", 1)
    ax.axhline(scenario.epsilon, **LIMIT)
    ax.set_yscale("log")
    ax.set_ylabel(r"outage probability $\Pr\{D_{\mathrm{tot}} > D_{\max}\}$")
    _legend_over_saving(ax, adaptive, Line2D([], [], **LIMIT, label=r"limit $\epsilon$"))
    return ax


def _plot_over_saving(
    ax: Axes,
    adaptive: xr.Dataset,
    full_offloading: xr.Dataset,
    scenario: Scenario,
    quantity: str,
    scale: float,
) -> None:
    """Draw one line for each α_max, with the 95 % bands, and full offloading as pentagrams."""
    adaptive = adaptive.squeeze("path_loss_exponent", drop=True)
    full_offloading = full_offloading.squeeze(["V", "path_loss_exponent"], drop=True)
    is_settled = settled(adaptive, scenario)
    for index, alpha_max in enumerate(adaptive.alpha_max.values):
        color, marker = COLORS[index], MARKERS[index]
        run = adaptive.sel(alpha_max=alpha_max)
        saving = run.energy_saving.mean("seed") * 100
        band = confidence_interval(run[quantity]) * scale
        ax.fill_between(saving, band.lower, band.upper, color=color, alpha=0.25, linewidth=0)
        ax.plot(saving, band["mean"], color=color, linewidth=1)
        done = is_settled.sel(alpha_max=alpha_max).values
        ax.plot(saving[done], band["mean"][done], marker, color=color, markersize=5)
        ax.plot(saving[~done], band["mean"][~done], marker, color=color, markersize=5, mfc="white")
        benchmark = full_offloading.sel(alpha_max=alpha_max)
        interval = confidence_interval(benchmark[quantity]) * scale
        ax.errorbar(
            float(benchmark.energy_saving.mean() * 100),
            float(interval["mean"]),
            yerr=float(interval.upper - interval["mean"]),
            marker="*",
            markersize=13,
            color=color,
            mec="black",
            mew=0.5,
            capsize=3,
        )
    ax.set_xlabel("energy saving over full local inference (%)")


def _legend_over_saving(ax: Axes, adaptive: xr.Dataset, *others: Line2D | Patch) -> None:
    lines: list[Line2D | Patch] = [
        Line2D(
            [], [], color=COLORS[i], marker=MARKERS[i], markersize=5,
            label=rf"adaptive, $\alpha_{{\max}}$ = {alpha_max:g}",
        )
        for i, alpha_max in enumerate(adaptive.alpha_max.values)
    ]  # fmt: skip
    grey: dict[str, Any] = {"color": "grey", "linestyle": ""}
    lines += [
        Line2D([], [], **grey, marker="o", mfc="white", label="queues not settled"),
        Line2D([], [], **grey, marker="*", markersize=11, label="full offloading"),
        *others,
    ]
    ax.legend(handles=lines, loc="upper left", fontsize=9)


def plot_split_availability(
    data: xr.Dataset, scenario: Scenario, axes: list[Axes] | None = None
) -> list[Axes]:
    """Plot mean splitting point ± standard deviation over the availability (Fig. 3).

    Parameters
    ----------
    data : xarray.Dataset
        Sweep of the adaptive policy at one V.
    scenario : Scenario
        Gives the limits by which runs have settled.
    axes : list of Axes, optional
        One for each path-loss exponent.

    Returns
    -------
    list of Axes
        One for each path-loss exponent.
    """
    data = data.squeeze("V", drop=True)
    exponents = data.path_loss_exponent.values
    if axes is None:
        axes = list(
            plt.subplots(
                1, len(exponents), sharey=True, figsize=(3.2 * len(exponents), 3.8), squeeze=False
            )[1][0]
        )
    is_settled = settled(data, scenario)
    for index, (ax, exponent) in enumerate(zip(axes, exponents, strict=True)):
        color, marker = COLORS[index], MARKERS[index]
        run = data.sel(path_loss_exponent=exponent)
        spread = run.std_split.mean("seed")
        mean = confidence_interval(run.mean_split)
        alpha = data.alpha_max.values
        ax.fill_between(
            alpha,
            mean["mean"] - spread,
            mean["mean"] + spread,
            color=color,
            alpha=0.18,
            linewidth=0,
            label="± standard deviation",
        )
        ax.fill_between(alpha, mean.lower, mean.upper, color=color, alpha=0.6, linewidth=0)
        ax.plot(alpha, mean["mean"], color=color, linewidth=1, marker=marker, label="mean")
        waiting = ~is_settled.sel(path_loss_exponent=exponent).values
        if waiting.any():
            ax.plot(
                alpha[waiting],
                mean["mean"][waiting],
                marker,
                color=color,
                mfc="white",
                label="queues not settled",
            )
        ax.set_xscale("log")
        ax.set_title(rf"$\beta$ = {exponent:g}")
        ax.set_xlabel(r"availability $\alpha_{\max}$")
        ax.set_yticks(data.split.values[::2])
        ax.legend(fontsize=8, loc="lower left" if mean["mean"].min() > 9 else "upper right")
    reach = data.std_split.mean("seed")
    low = float((data.mean_split.mean("seed") - reach).min())
    high = float((data.mean_split.mean("seed") + reach).max())
    last = data.split.size - 1
    axes[0].set_ylim(min(-1, low - 0.5), max(last + 1, high + 0.5))
    axes[0].set_ylabel("splitting point k")
    return axes


def plot_split_heatmaps(data: xr.Dataset, axes: list[Axes] | None = None) -> list[Axes]:
    """Plot how often each splitting point is chosen, over the availability.

    Parameters
    ----------
    data : xarray.Dataset
        Sweep of the adaptive policy at one V.
    axes : list of Axes, optional
        One for each path-loss exponent.

    Returns
    -------
    list of Axes
        One for each path-loss exponent.
    """
    histogram = data.split_histogram.squeeze("V", drop=True).sum("seed")
    share = 100 * histogram / histogram.sum("split")
    exponents = data.path_loss_exponent.values
    if axes is None:
        axes = list(
            plt.subplots(
                1, len(exponents), sharey=True, figsize=(3.4 * len(exponents), 4.4), squeeze=False
            )[1][0]
        )
    for ax, exponent in zip(axes, exponents, strict=True):
        table = share.sel(path_loss_exponent=exponent).transpose("split", "alpha_max")
        # No slot at all stays white, so that rare and never can be told apart.
        image = ax.pcolormesh(
            data.alpha_max,
            data.split,
            np.ma.masked_equal(table, 0),
            norm="log",
            vmin=1e-3,
            vmax=100,
            cmap="viridis",
            shading="nearest",
        )
        ax.set_xscale("log")
        ax.set_title(rf"$\beta$ = {exponent:g}")
        ax.set_xlabel(r"availability $\alpha_{\max}$")
        ax.set_yticks(data.split.values[::2])
        ax.grid(visible=False)
    axes[0].set_ylabel("splitting point k")
    axes[-1].figure.colorbar(image, ax=axes, label="share of slots (%)")
    return axes


#: Sign and colour of each verdict, from good to bad, and of what cannot be judged.
_SIGNS = (("✓", COLORS[0]), ("~", COLORS[8]), ("✗", COLORS[3]), ("·", (0.85, 0.85, 0.85)))


def plot_verdicts(verdicts: pd.DataFrame, kinds: Sequence[str], ax: Axes | None = None) -> Axes:
    """Plot a matrix of verdicts, and frame what differs from its first column.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        One row for each claim, one column for each reading.
    kinds : sequence of str
        The four verdicts, from good to bad, and last that there is none.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        With a legend below.
    """
    height = 0.24 * len(verdicts) + 2.4
    ax = ax or plt.subplots(figsize=(9.5, height))[1]
    signs = dict(zip(kinds, _SIGNS, strict=True))
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
    """Plot what the slider panel shows, for where JavaScript does not run.

    Parameters
    ----------
    scenario : Scenario
        Gives the limits and the names of the splitting points.
    here : Result
        The adaptive policy at one V, with its history.
    curve : sequence of Result
        The same at other V, settled or not.
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
            hollow = {"mfc": "none", "mew": 2.5, "mec": COLORS[3]} if result is here else {}
            ax.plot(*at, marker, color="black", markersize=11, **hollow)
            ax.annotate(name, at, (-8, -4), textcoords="offset points", ha="right")
        local = scale * getattr(full_local, quantity)
        if local > 0:
            ax.plot(100 * full_local.energy_saving, local, "X", color="black", markersize=8)
            ax.annotate("full local", (0, local), (8, 4), textcoords="offset points")
        else:  # which a logarithmic axis cannot hold
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
