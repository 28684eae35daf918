"""Plots of costs, sweeps and comparisons in one house style, including the paper's figures.

Each ``plot_*`` function draws labelled data into the given axes (or new ones) and returns the
axes. It needs matplotlib, which ``pip install splitlib[figures]`` installs; nothing
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

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from splitlib.compare import comparison
from splitlib.policies import POLICIES
from splitlib.scenario import Scenario
from splitlib.simulate import settled
from splitlib.statistics import confidence_interval

#: The house style for plots made elsewhere: colours, markers, and lines of limits.
COLORS: tuple[Any, ...] = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494",
    "#ece133", "#56b4e9",
)  # fmt: skip
MARKERS = "osD^v"
LIMIT: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 1.2}
_RC: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": ".15",
    "axes.grid": True,
    "axes.labelcolor": ".15",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "sans-serif"],
    "font.size": 11,
    "grid.alpha": 0.4,
    "grid.color": ".8",
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "savefig.dpi": 200,
    "svg.hashsalt": "splitlib",  # same figure, same bytes
    "text.color": ".15",
    "xtick.color": ".15",
    "ytick.color": ".15",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style, and restore the rcParams it changes afterwards.

    Restoring all rcParams, as `matplotlib.rc_context` does, would also undo Jupyter's switch to
    interactive mode, and later figures would not be shown.
    """
    before = {name: plt.rcParams[name] for name in _RC}
    plt.rcParams.update(_RC)
    try:
        yield
    finally:
        plt.rcParams.update(before)


def save(figure: Figure, name: str, folder: str | Path = "figures") -> None:
    """Write ``figure`` as PNG and SVG, without a date, so that equal figures give equal files.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    name : str
        File name without extension.
    folder : path
        Created if missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png")
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


def plot_layer_costs(scenario: Scenario, axes: tuple[Axes, Axes] | None = None) -> list[Axes]:
    """Plot MACs on the device and bits to send over the splitting points (the paper's Fig. 1).

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
    """Mark a value of 0 at the lower end of a logarithmic axis, which cannot show it."""
    ax.text(split, 0.02, "0\n↓", transform=ax.get_xaxis_transform(), ha="center")


def plot_stage_costs(scenario: Scenario, axes: tuple[Axes, Axes] | None = None) -> list[Axes]:
    """Plot time and energy of each stage of a full local inference.

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
    handles: Sequence[Line2D | Patch] = (),
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
    handles : sequence of Line2D or Patch
        Legend entries for anything added to the plot.

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
    limit = Line2D([], [], **LIMIT, label=r"limit $D_{\mathrm{avg}}$")
    full_local = Line2D([], [], color="black", marker="X", linestyle="", label="full local")
    _legend_over_saving(ax, adaptive, limit, full_local, *handles)
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
    """Draw a line with its 95 % band for each α_max, and full offloading as stars."""
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
        Gives the limits, which decide whether a run has settled.
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
        # Zero stays white, to distinguish never from rarely.
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


_PURPLE = (0.36, 0.17, 0.56)
#: Colour and marker of the policies, in the order of registration.
_LOOKS: list[tuple[Any, str]] = [
    (COLORS[0], "o"),
    (COLORS[9], "o"),
    (COLORS[3], "*"),
    (COLORS[7], "X"),
    (COLORS[2], "s"),
    (COLORS[1], "^"),
    (COLORS[1], "v"),
    (COLORS[8], "^"),
    (COLORS[8], "v"),
    (COLORS[5], "<"),
    (COLORS[4], "D"),
    (COLORS[4], ">"),
    (COLORS[5], "p"),
    (_PURPLE, "P"),
    (_PURPLE, "d"),
    ("black", "H"),
    *((color, "8") for color in COLORS),
]
_UNREGISTERED = COLORS[6], "h"
#: An energy saving of s is drawn at 1 - s, on a logarithmic axis; these are its ticks, in %.
_SAVING_TICKS = (-900, -300, -100, 0, 50, 80, 90, 95, 98, 99, 99.5)


def policy_label(policy: str) -> str:
    """Return the display name of a policy; an unregistered one keeps its own name.

    Policies that coincide and share a row are joined by a plus: ``"neurosurgeon+dads"``.
    """
    names = policy.split("+")
    if not set(names) <= POLICIES.keys():
        return policy.replace("_", " ")
    label = ", ".join(POLICIES[name].label for name in names)
    return label.replace("D_max", r"$D_{\max}$").replace("D_avg", r"$D_{\mathrm{avg}}$")


def policy_style(policy: str, keeps: bool = True) -> dict[str, Any]:
    """Return colour and marker of a policy, as keywords of `Axes.plot`.

    Parameters
    ----------
    policy : str
        Its name; if several are joined by a plus, the first one counts.
    keeps : bool
        Whether it keeps the limits; if not, the marker is hollow.
    """
    place = dict(zip(POLICIES, itertools.cycle(_LOOKS), strict=False))
    color, marker = place.get(policy.partition("+")[0], _UNREGISTERED)
    size = {"*": 10.0, "H": 10.0}.get(marker, 6.5)
    fill = color if keeps else "white"
    return {"color": color, "marker": marker, "mfc": fill, "markersize": size, "mew": 1.3}


def plot_comparison(
    data: xr.Dataset,
    scenario: Scenario,
    quantity: Literal["mean_delay", "outage"] = "mean_delay",
) -> list[Axes]:
    """Plot delay or outage of many policies over energy saving, one panel per condition.

    The saving axis is logarithmic in the remaining energy: it separates 99 % from 99.5 % and has
    room for policies that need more energy than full local inference.

    Parameters
    ----------
    data : xarray.Dataset
        From `splitlib.compare`.
    scenario : Scenario
        Gives the limits.
    quantity : {"mean_delay", "outage"}
        Quantity on the vertical axis.

    Returns
    -------
    list of Axes
        One for each path-loss exponent and availability, row by row, above a common legend. A
        marker is filled if the policy keeps both limits; no such policy can reach the shaded area.
    """
    table = comparison(data, scenario)
    bounds = data.bound.mean("seed")
    exponents, availabilities = data.path_loss_exponent.values, data.alpha_max.values
    shape = len(exponents), len(availabilities)
    size = 3.2 * shape[1] + 0.4, 2.7 * shape[0] + 1.7
    figure, grid = plt.subplots(*shape, sharex="row", sharey="row", squeeze=False, figsize=size)
    is_delay = quantity == "mean_delay"
    scale, limit = (1e3, scenario.d_avg) if is_delay else (100, scenario.epsilon)
    numbers = [str(number) for number in range(1, data.policy.size + 1)]
    for row, exponent in zip(grid, exponents, strict=True):
        for ax, alpha_max in zip(row, availabilities, strict=True):
            found = table.loc[alpha_max, exponent].loc[data.policy.values]
            left, left_half = 100 * (1 - found.energy_saving), 100 * found.energy_saving_half
            up, up_half = scale * found[quantity], scale * found[f"{quantity}_half"]
            keeps = found.keeps_delay & found.keeps_outage
            for i, policy in enumerate(found.index):
                point = left.iloc[i], up.iloc[i], up_half.iloc[i], left_half.iloc[i]
                style = policy_style(policy, keeps.iloc[i])
                ax.errorbar(*point, linewidth=1, zorder=4 - i / len(found), **style)
            least = 100 * (1 - float(bounds.sel(alpha_max=alpha_max, path_loss_exponent=exponent)))
            ax.axvspan(1e-3, least, color="black", alpha=0.08, linewidth=0)
            ax.axvline(least, color="black", linewidth=1)
            ax.axhline(scale * limit, **LIMIT)
            ax.set_title(rf"$\alpha_{{\max}}$ = {alpha_max:g}, $\beta$ = {exponent:g}", fontsize=10)
        _set_saving_axis(row[0], 100 * (1 - table.xs(exponent, level=1).energy_saving))
        if is_delay:
            row[0].set_yscale("log", nonpositive="clip")
            row[0].minorticks_off()
            row[0].set_ylim(2.5, 3e3 * table.xs(exponent, level=1).mean_delay.max())
        else:
            row[0].set_yscale("symlog", linthresh=0.1, linscale=0.5)
            row[0].set(ylim=(-0.06, 400), yticks=[0, 0.1, 1, 10, 100])
            row[0].set_yticklabels(["0", "0.1", "1", "10", "100"])
    for ax in grid[-1]:
        ax.set_xlabel("energy saving (%)")
    for ax in grid[:, 0]:
        ax.set_ylabel("mean delay (ms)" if is_delay else "outage probability (%)")
    names = [policy_label(policy) for policy in data.policy.values]
    handles = [
        Line2D([], [], linestyle="", **policy_style(policy), label=f"{number}  {name}")
        for policy, number, name in zip(data.policy.values, numbers, names, strict=True)
    ]
    limit_name = r"limit $D_{\mathrm{avg}}$" if is_delay else r"limit $\epsilon$"
    handles += limit_handles(limit_name, "bound; none keeps both limits beyond")
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8.5)
    figure.draw_without_rendering()  # computes the layout, which placing labels needs
    for row, exponent in zip(grid, exponents, strict=True):
        for ax, alpha_max in zip(row, availabilities, strict=True):
            found = table.loc[alpha_max, exponent].loc[data.policy.values]
            points = np.array([100 * (1 - found.energy_saving), scale * found[quantity]]).T
            label_points(ax, points, numbers, ", ", fontsize=8)
    figure.set_layout_engine("none")  # keeps this layout
    return list(grid.ravel())


def _set_saving_axis(ax: Axes, left: pd.Series) -> None:
    """Make x logarithmic in the remaining energy (%), and label its ticks with the saving."""
    ax.set_xscale("log", nonpositive="clip")
    ax.set_xlim(2.2 * max(100, left.max()), 0.5 * left.min())
    ticks = [tick for tick in _SAVING_TICKS if ax.get_xlim()[1] < 100 - tick < ax.get_xlim()[0]]
    if len(ticks) > 6:
        ticks = ticks[ticks.index(0) % 2 :: 2]
    ax.set_xticks([100 - tick for tick in ticks], [f"{tick:g}".replace("-", "−") for tick in ticks])
    ax.minorticks_off()


def limit_handles(limit: str, bound: str) -> list[Any]:
    """Return legend entries for filled and hollow markers, a limit, and the unreachable region.

    Parameters
    ----------
    limit, bound : str
        Labels of the last two.
    """
    grey: dict[str, Any] = {"color": "grey", "linestyle": "", "marker": "o"}
    return [
        Line2D([], [], **grey, label="filled: keeps both limits"),
        Line2D([], [], **grey, mfc="white", label="hollow: breaks one or both"),
        Line2D([], [], **LIMIT, label=limit),
        Patch(facecolor=(0, 0, 0, 0.08), edgecolor="black", label=bound),
    ]


def label_points(
    ax: Axes,
    points: NDArray[np.float64],
    labels: Sequence[str],
    joint: str,
    fontsize: float,
    lines: Sequence[NDArray[np.float64]] = (),
) -> None:
    """Write labels beside points where they overlap least; points that coincide share one.

    Parameters
    ----------
    ax : Axes
        Of a figure whose layout has been computed.
    points : ndarray of shape (n_points, 2)
        In the units of the axes.
    labels : sequence of str
        One for each point.
    joint : str
        Separator between the labels of points that coincide.
    fontsize : float
        In points.
    lines : sequence of ndarray of shape (2, n)
        Lines that should not be covered, in the units of the axes.
    """
    pixels = ax.figure.dpi / 72  # per typographical point
    places = ax.transData.transform(points)
    groups: list[list[int]] = []
    for i in range(len(places)):
        for group in groups:
            if np.hypot(*(places[i] - places[group[0]])) < 0.6 * fontsize * pixels:
                group.append(i)
                break
        else:
            groups.append([i])
    frame = ax.get_window_extent()
    covered = [Bbox([place - 3 * pixels, place + 3 * pixels]) for place in places]
    dots = []
    for line in lines:
        x, y = ax.transData.transform(line.T).T
        along = np.linspace(0, x.size - 1, 40 * x.size)
        series = [np.interp(along, np.arange(x.size), each) for each in (x, y)]
        dots += [Bbox([dot, dot + 1]) for dot in np.transpose(series)]
    # To both sides of the marker, then further and further up or down.
    heights = sorted(np.arange(-8, 9) * 0.6 * fontsize, key=abs)
    offsets = [(side * 10, up) for up in heights for side in (1, -1)]
    leader = {"arrowstyle": "-", "linewidth": 0.5, "color": "grey", "shrinkB": 3}
    for group in groups:
        text = joint.join(labels[i] for i in group)
        plain = re.sub(r"\\\w+|[${}_]", "", text).split("\n")
        # Measured from the marker, so that nothing gets between it and its label.
        width = 0.6 * fontsize * (max(map(len, plain)) + 1) + 6
        height = 1.25 * fontsize * len(plain)
        x, y = places[group[0]]
        best, least = offsets[0], np.inf
        for side, up in offsets:
            low = x + (4 if side > 0 else -4 - width) * pixels, y + (up - height / 2) * pixels
            box = Bbox.from_bounds(*low, width * pixels, height * pixels)
            is_outside = not (frame.contains(*box.min) and frame.contains(*box.max))
            harm = 1000 * is_outside + 10 * box.count_overlaps(covered) + abs(up) / fontsize
            harm += 2 * (box.count_overlaps(dots) > 0)
            if harm < least:
                best, least, best_box = (side, up), harm, box
        covered.append(best_box)
        ax.annotate(
            text,
            points[group[0]],
            best,
            textcoords="offset points",
            ha="left" if best[0] > 0 else "right",
            va="center",
            fontsize=fontsize,
            zorder=6,
            arrowprops=leader if abs(best[1]) > fontsize else None,
            path_effects=[patheffects.withStroke(linewidth=2, foreground="white")],
        )
