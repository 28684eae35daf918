r"""Run policies on traces, one at a time or over a grid.

`simulate` runs one policy on one trace; `sweep` runs a grid of V × α_max × β × seeds on all
cores. Both measure the terms of problem (12) over the slots after the burn-in: the mean energy to
be minimized, and the mean delay and outage probability to be limited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitlib import kernel
from splitlib._check import (
    check_bool,
    check_burn_in,
    check_instance,
    check_real,
)
from splitlib.grid import Grid, check_axis
from splitlib.loop import COMPILED, Loops, SlotLoop
from splitlib.policies import PolicyFunction, check_policy, name_of, policy_of
from splitlib.scenario import Scenario
from splitlib.statistics import confidence_interval
from splitlib.trace import Trace, draw_slots, trace_rng

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Largest growth of the queues per slot, as a share of the limits, at which a run has settled.
SETTLED_TOLERANCE = 1e-3


class History(NamedTuple):
    """Decision, cost and queues of each slot, including burn-in; arrays of shape ``(n_slots,)``.

    Attributes
    ----------
    split : ndarray of int
        Splitting point k(t).
    rate : ndarray
        Rate R(t) in bit/s; 0 if nothing is sent.
    delay : ndarray
        End-to-end delay of the slot's images, in s.
    energy : ndarray
        Energy of the device, in J.
    Z, H : ndarray
        Virtual queues before the slot, in s and without unit; both start at 0.
    """

    split: NDArray[np.int64]
    rate: NDArray[np.float64]
    delay: NDArray[np.float64]
    energy: NDArray[np.float64]
    Z: NDArray[np.float64]
    H: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Result:
    """Outcome of one run, over the slots after the burn-in.

    It stores raw sums; properties derive the rest.

    Attributes
    ----------
    policy : str
        Name of the policy.
    V : float
        Weight of energy, in s²/J.
    n_slots, burn_in : int
        Length of the trace, and number of slots left out at its start.
    total_delay, total_energy : float
        Sums over the slots, in s and J.
    longest_delay : float
        Longest delay of a slot, in s.
    outages : int
        Slots whose delay exceeded d_max.
    arrivals : int
        Number of images.
    sending_slots, rate_inside_slots : int
        Slots that send, and those of them whose rate is strictly between its limits, so that (19)
        needs the Lambert function.
    full_local_energy : float
        Energy of full local inference on the same images, in J.
    split_histogram : ndarray of shape (J + 1,)
        Number of slots at each splitting point. A slot without images makes no choice and counts
        for the policy's smallest splitting point.
    initial_queues, final_queues : ndarray of shape (2,)
        Z (in s) and H after the burn-in and after the last slot.
    mean_queues : ndarray of shape (2,)
        Means of Z (in s) and H over the slots.
    history : History or None
        Per-slot series, if requested.
    """

    policy: str
    V: float
    n_slots: int
    burn_in: int
    total_delay: float
    total_energy: float
    longest_delay: float
    outages: int
    arrivals: int
    sending_slots: int
    rate_inside_slots: int
    full_local_energy: float
    split_histogram: NDArray[np.int64]
    initial_queues: NDArray[np.float64]
    final_queues: NDArray[np.float64]
    mean_queues: NDArray[np.float64]
    history: History | None = None

    @property
    def measured_slots(self) -> int:
        """Number of slots after the burn-in."""
        return self.n_slots - self.burn_in

    @property
    def mean_delay(self) -> float:
        """Mean end-to-end delay, in s, limited by (12a)."""
        return self.total_delay / self.measured_slots

    @property
    def outage(self) -> float:
        """Share of slots with a delay above d_max, limited by (12b)."""
        return self.outages / self.measured_slots

    @property
    def mean_energy(self) -> float:
        """Mean energy of the device, in J per slot, the objective of (12)."""
        return self.total_energy / self.measured_slots

    @property
    def energy_saving(self) -> float:
        """1 - energy / energy of full local inference on the same slots; NaN without images."""
        return 1 - self.total_energy / self.full_local_energy if self.arrivals else float("nan")

    @property
    def mean_split(self) -> float:
        """Mean splitting point."""
        return float(self.split_histogram @ self._splits) / self.measured_slots

    @property
    def std_split(self) -> float:
        """Standard deviation of the splitting point over the slots."""
        deviation = self._splits - self.mean_split
        return float(np.sqrt(self.split_histogram @ deviation**2 / self.measured_slots))

    @property
    def _splits(self) -> NDArray[np.int64]:
        return np.arange(self.split_histogram.size)

    @property
    def rate_inside(self) -> float:
        """Share of sending slots whose rate is strictly between its limits; NaN if none sends."""
        return self.rate_inside_slots / self.sending_slots if self.sending_slots else float("nan")

    @property
    def queue_growth(self) -> NDArray[np.float64]:
        """Growth of Z (in s) and H per slot; shape ``(2,)``.

        For every policy, summing (13) and (14) over the slots gives
        ``mean_delay <= d_avg + queue_growth[0]`` and ``outage <= epsilon + queue_growth[1]``.
        """
        return (self.final_queues - self.initial_queues) / self.measured_slots


def simulate(
    scenario: Scenario,
    trace: Trace,
    V: float = 3.0,
    *,
    policy: str | PolicyFunction = "adaptive",
    burn_in: int = 10_000,
    history: bool = False,
) -> Result:
    """Run a policy on a trace.

    Parameters
    ----------
    scenario : Scenario
        All that is fixed.
    trace : Trace
        Channel, host and load of each slot.
    V : float
        Weight of energy against the virtual queues, in s²/J, positive. Policies without queues do
        not depend on it.
    policy : str or policy
        A name in `splitlib.POLICIES`, a function of `splitlib.policies` with other parameters, or
        a custom policy: see `splitlib.online`.
    burn_in : int
        Slots at the start that are not measured, at least 0 and below the trace's length.
    history : bool
        Whether to keep the per-slot series.

    Returns
    -------
    Result
        Sums, means and, if requested, the history.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> from splitlib.trace import draw_trace
    >>> scenario = Scenario(alpha_max=0.1)
    >>> result = simulate(scenario, draw_trace(scenario, n_slots=50_000, rng=0), V=1.0)
    >>> result.mean_delay < scenario.d_avg, result.outage < scenario.epsilon
    (True, True)
    """
    check_instance("scenario", scenario, Scenario)
    check_instance("trace", trace, Trace)
    check_real("V", V)
    check_policy(policy)
    check_burn_in(burn_in, trace.n_slots)
    check_bool("history", history)
    (result,) = simulate_each(scenario, trace, [V], policy, burn_in, history)
    return result


def simulate_each(
    scenario: Scenario,
    trace: Trace,
    V: Sequence[float],
    policy: str | PolicyFunction,
    burn_in: int,
    history: bool = False,
    loops: Loops = COMPILED,
) -> list[Result]:
    """Return the result of each V, run side by side; the arguments must have been checked."""
    # A policy with hindsight sees only the measured slots.
    rule = policy_of(policy)(scenario, trace.after(burn_in))
    loop = SlotLoop(scenario, trace, rule, V, history, loops)
    loop.run(burn_in)
    sums, histograms, n_measured = loop.sums, loop.split_histogram, trace.n_slots - burn_in
    return [
        Result(
            policy=name_of(policy),
            V=float(weight),
            n_slots=trace.n_slots,
            burn_in=burn_in,
            total_delay=float(sums.delay[v]),
            total_energy=float(sums.energy[v]),
            longest_delay=float(sums.longest_delay[v]),
            outages=int(sums.outages[v]),
            arrivals=int(sums.arrivals[v]),
            sending_slots=int(sums.sending[v]),
            rate_inside_slots=int(sums.rate_inside[v]),
            full_local_energy=float(sums.charged[v] * scenario.profile.local_energy[-1]),
            split_histogram=histograms[v],
            initial_queues=loop.initial_queues[:, v],
            final_queues=np.array([sums.Z[v], sums.H[v]]),
            mean_queues=np.array([sums.Z_sum[v], sums.H_sum[v]]) / n_measured,
            history=History(*(each[:, v] for each in loop.series)) if loop.series else None,
        )
        for v, weight in enumerate(V)
    ]


#: Variables of a sweep: name, function of the result, long name, unit.
_VARIABLES: tuple[tuple[str, Callable[[Result], float], str, str], ...] = (
    ("mean_delay", lambda result: result.mean_delay, "mean end-to-end delay", "s"),
    ("longest_delay", lambda result: result.longest_delay, "longest delay of a slot", "s"),
    ("outage", lambda result: result.outage, "outage probability", "1"),
    ("mean_energy", lambda result: result.mean_energy, "mean energy of the device per slot", "J"),
    ("energy_saving", lambda result: result.energy_saving, "energy saving", "1"),
    ("mean_split", lambda result: result.mean_split, "mean splitting point", "1"),
    ("std_split", lambda result: result.std_split, "deviation of the splitting point", "1"),
    ("rate_inside", lambda result: result.rate_inside, "share of rates between the limits", "1"),
    ("mean_Z", lambda result: result.mean_queues[0], "mean of the delay queue Z", "s"),
    ("mean_H", lambda result: result.mean_queues[1], "mean of the outage queue H", "1"),
    ("Z_growth", lambda result: result.queue_growth[0], "growth of Z per slot", "s"),
    ("H_growth", lambda result: result.queue_growth[1], "growth of H per slot", "1"),
)
_COORDINATES = {
    "V": ("weight of energy", "s^2 J^-1"),
    "alpha_max": ("largest availability of the host", "1"),
    "path_loss_exponent": ("path-loss exponent", "1"),
    "seed": ("seed of the trace", "1"),
    "split": ("splitting point", "1"),
}


def sweep(
    scenario: Scenario,
    V: ArrayLike = 3.0,
    *,
    alpha_max: ArrayLike | None = None,
    path_loss_exponent: ArrayLike | None = None,
    seeds: int | Sequence[int] = 10,
    n_slots: int = 200_000,
    burn_in: int = 10_000,
    policy: str | PolicyFunction = "adaptive",
    n_jobs: int = -1,
    progress: bool = True,
) -> xr.Dataset:
    """Run a policy over a grid of V × α_max × β × seeds.

    Each (seed, β, α_max) has its own trace, drawn with `splitlib.trace_rng`, on which every V and
    every policy runs. The numbers depend neither on ``n_jobs`` nor on the grid around a point:
    `simulate` gives the same for that point alone.

    Parameters
    ----------
    scenario : Scenario
        Everything that the grid does not vary.
    V : float or sequence of float
        Weights of energy, in s²/J, positive.
    alpha_max, path_loss_exponent : float or sequence of float, optional
        Values to use instead of the scenario's.
    seeds : int or sequence of int
        Seeds of the traces; a number n means the seeds 0 to n - 1.
    n_slots, burn_in : int
        Slots of each run, and number of slots left out at its start.
    policy : str or policy
        As for `simulate`.
    n_jobs : int
        Number of threads (or workers, under ``joblib.parallel_config``); -1 uses all cores.
    progress : bool
        Whether to show a progress bar after a second.

    Returns
    -------
    xarray.Dataset
        Over ``V``, ``alpha_max``, ``path_loss_exponent`` and ``seed``, with units in the
        attributes: ``mean_delay``, ``longest_delay``, ``outage``, ``mean_energy``,
        ``energy_saving``, ``mean_split``, ``std_split`` and ``rate_inside``, as in `Result`; the
        backlogs ``mean_Z``, ``mean_H`` and their growth ``Z_growth``, ``H_growth``; and
        ``split_histogram``, which also has the dimension ``split``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> data = sweep(Scenario(), V=[0.1, 1.0], alpha_max=[0.1, 1.0], seeds=2, n_slots=20_000)
    >>> data.energy_saving.mean("seed").shape
    (2, 2, 1)
    """
    check_instance("scenario", scenario, Scenario)
    scenarios = {"": scenario}
    return sweep_scenarios(
        scenarios,
        V,
        alpha_max=alpha_max,
        path_loss_exponent=path_loss_exponent,
        seeds=seeds,
        n_slots=n_slots,
        burn_in=burn_in,
        policy=policy,
        n_jobs=n_jobs,
        progress=progress,
    )[""]


def sweep_scenarios(
    scenarios: Mapping[str, Scenario],
    V: ArrayLike | Mapping[str, ArrayLike] = 3.0,
    *,
    alpha_max: ArrayLike | None = None,
    path_loss_exponent: ArrayLike | None = None,
    seeds: int | Sequence[int] = 10,
    n_slots: int = 200_000,
    burn_in: int = 10_000,
    policy: str | PolicyFunction = "adaptive",
    n_jobs: int = -1,
    progress: bool = True,
) -> dict[str, xr.Dataset]:
    """Run `sweep` for several scenarios on the same random draws, which are made only once.

    Parameters
    ----------
    scenarios : mapping of str to Scenario
        At least one. All must have the same arrival rate and, unless the grid varies them, the
        same ``alpha_max`` and ``path_loss_exponent``, because these determine the draws.
    V : float, sequence of float, or mapping of str to these
        Weights of energy, in s²/J; a mapping gives each scenario its own.
    alpha_max, path_loss_exponent, seeds, n_slots, burn_in, policy, n_jobs, progress
        As for `sweep`.

    Returns
    -------
    dict of str to xarray.Dataset
        The result of `sweep` for each scenario.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> both = {"1": Scenario(), "2": Scenario(fading_power=2.0)}
    >>> data = sweep_scenarios(both, V=0.1, seeds=2, n_slots=20_000)
    >>> bool((data["2"].energy_saving > data["1"].energy_saving).all())
    True
    """
    check_instance("scenarios", scenarios, Mapping)
    if not scenarios:
        raise ValueError("scenarios must hold at least one scenario, got none")
    for name, scenario in scenarios.items():
        check_instance(f"scenarios[{name!r}]", scenario, Scenario)
    first = next(iter(scenarios.values()))
    fixed = {"alpha_max": alpha_max is None, "path_loss_exponent": path_loss_exponent is None}
    for name in ("arrival_rate", *(axis for axis, alone in fixed.items() if alone)):
        values = [getattr(scenario, name) for scenario in scenarios.values()]
        if len(set(values)) > 1:
            raise ValueError(f"{name} must be the same in all scenarios, got {values}")
    if isinstance(V, Mapping):
        if V.keys() != scenarios.keys():
            raise ValueError(f"V must have the names of scenarios, got {list(V)}")
    else:
        V = dict.fromkeys(scenarios, V)
    weights = {name: check_axis("V", V[name], "(0, inf)") for name in scenarios}
    grid = Grid.checked(
        dict(scenarios),
        alpha_max,
        path_loss_exponent,
        seeds,
        n_slots,
        burn_in,
        n_jobs,
        progress,
    )
    check_policy(policy)

    def cell(alpha: float, exponent: float, seed: int) -> dict[str, list[Result]]:
        here: dict[str, Any] = {"alpha_max": alpha, "path_loss_exponent": exponent}
        rng = trace_rng(replace(first, **here), seed)
        draws = draw_slots(first.arrival_rate, grid.n_slots, rng)
        traces: dict[tuple[float, float], Trace] = {}
        found = {}
        for name, scenario in scenarios.items():
            at = replace(scenario, **here)
            world = (at.mean_gain, at.alpha_min)  # all that differs between their traces
            if world not in traces:
                traces[world] = draws.trace(at)
            found[name] = simulate_each(at, traces[world], weights[name], policy, burn_in)
        return found

    found = grid.map(cell, name_of(policy))
    about = {"policy": name_of(policy), "n_slots": grid.n_slots, "burn_in": burn_in}
    datasets = {}
    for name in scenarios:
        results = [result for row in found for result in row[name]]
        data = _dataset(results, {**grid.axes, "V": weights[name]}).transpose("V", ...)
        datasets[name] = data.assign_attrs(about)
    return datasets


def _check_sweep(data: xr.Dataset, needed: Iterable[str]) -> None:
    """Raise unless ``data`` looks like what `sweep` returns."""
    import xarray as xr

    check_instance("data", data, xr.Dataset)
    missing = [name for name in [*needed, "seed"] if name not in {*data.variables, *data.dims}]
    if missing:
        raise ValueError(f"data must come from splitlib.sweep, got one without {missing}")


def _dataset(results: list[Result], grid: dict[str, list[Any]]) -> xr.Dataset:
    """Return the results, given in the order of the grid, as a labelled dataset."""
    import xarray as xr

    dims, shape = tuple(grid), tuple(len(axis) for axis in grid.values())
    data = xr.Dataset(coords=grid)
    for name, read, long_name, units in _VARIABLES:
        values = np.reshape([read(result) for result in results], shape)
        data[name] = (dims, values, {"long_name": long_name, "units": units})
    histograms = np.array([result.split_histogram for result in results])
    data["split_histogram"] = (
        (*dims, "split"),
        histograms.reshape(*shape, -1),
        {"long_name": "slots at each splitting point", "units": "1"},
    )
    data = data.assign_coords(split=np.arange(histograms.shape[1]))
    for name, (long_name, units) in _COORDINATES.items():
        data[name].attrs.update(long_name=long_name, units=units)
    return data


def settled(
    data: xr.Dataset, scenario: Scenario, tolerance: float = SETTLED_TOLERANCE
) -> xr.DataArray:
    r"""Tell which points of a sweep have settled, judged by their virtual queues.

    Mean delay and outage exceed their limits by at most the growth per slot of Z and H over the
    measured slots (see `Result.queue_growth`). A point has settled if for both queues this growth,
    averaged over the seeds, is at most ``tolerance`` times the limit. In a short run a single slot
    can cause more growth, so growth by one d_max, or one outage, over all slots is always allowed.

    Parameters
    ----------
    data : xarray.Dataset
        From `sweep`.
    scenario : Scenario
        Gives the limits d_avg and epsilon.
    tolerance : float
        Positive, without unit.

    Returns
    -------
    xarray.DataArray of bool
        Without the dimension ``seed``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> scenario = Scenario()
    >>> data = sweep(scenario, V=[0.1, 1000.0], seeds=2, n_slots=20_000)
    >>> settled(data, scenario).values.ravel()
    array([ True, False])
    """
    _check_sweep(data, ["Z_growth", "H_growth"])
    check_instance("scenario", scenario, Scenario)
    check_real("tolerance", tolerance)
    growth = data[["Z_growth", "H_growth"]].mean("seed")
    slots = data.attrs["n_slots"] - data.attrs["burn_in"]
    limits = scenario.d_avg, scenario.d_max, scenario.epsilon
    settled = kernel.have_settled(growth.Z_growth, growth.H_growth, slots, *limits, tolerance)
    return settled.rename("settled")


def summary(data: xr.Dataset) -> pd.DataFrame:
    """Return a table of means and 95 % confidence intervals over the seeds of a sweep.

    Parameters
    ----------
    data : xarray.Dataset
        From `sweep`.

    Returns
    -------
    pandas.DataFrame
        One row for each point of the grid; for each variable ``x`` of the sweep the columns ``x``,
        ``x_lower`` and ``x_upper``, in SI units.

    Examples
    --------
    >>> table = summary(sweep(Scenario(), seeds=2, n_slots=20_000))
    >>> list(table.columns[:3])
    ['mean_delay', 'mean_delay_lower', 'mean_delay_upper']
    """
    import xarray as xr

    _check_sweep(data, [name for name, *_ in _VARIABLES])
    columns = {}
    for name, *_ in _VARIABLES:
        interval = confidence_interval(data[name])
        columns[name] = interval["mean"]
        columns[f"{name}_lower"] = interval.lower
        columns[f"{name}_upper"] = interval.upper
    order = [dim for dim in data.energy_saving.dims if dim != "seed"]
    return xr.Dataset(columns).to_dataframe(dim_order=order)
