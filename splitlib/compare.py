"""Comparison of policies on the same traces, with each other and with the lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from splitlib._check import check_instance, check_real
from splitlib.bound import Bound, lower_bound
from splitlib.grid import Grid
from splitlib.policies import POLICIES, PolicyFunction, check_policy, name_of
from splitlib.scenario import Scenario
from splitlib.simulate import SETTLED_TOLERANCE, simulate_each
from splitlib.statistics import confidence_interval
from splitlib.trace import draw_trace, trace_rng

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_VARIABLES = {
    "energy_saving": ("energy saving", "1"),
    "mean_energy": ("mean energy of the device per slot", "J"),
    "mean_delay": ("mean end-to-end delay", "s"),
    "median_delay": ("median end-to-end delay", "s"),
    "outage": ("outage probability", "1"),
    "gap": ("highest possible energy saving minus energy saving", "1"),
}


def compare(
    scenario: Scenario,
    policies: Sequence[str | PolicyFunction] | None = None,
    *,
    V: float = 3.0,
    alpha_max: ArrayLike | None = None,
    path_loss_exponent: ArrayLike | None = None,
    seeds: int | Sequence[int] = 5,
    n_slots: int = 200_000,
    burn_in: int = 10_000,
    n_jobs: int = -1,
    progress: bool = True,
) -> xr.Dataset:
    """Run policies on the same traces, and compute the bound of each trace.

    Parameters
    ----------
    scenario : Scenario
        Everything that the grid does not vary.
    policies : sequence of str or policy
        As for `simulate`; by default all registered ones.
    V : float
        Weight of energy for policies with virtual queues, in s²/J, positive.
    alpha_max, path_loss_exponent, seeds, n_slots, burn_in, n_jobs, progress
        As for `sweep`; the traces are the same too.

    Returns
    -------
    xarray.Dataset
        Over ``policy``, ``alpha_max``, ``path_loss_exponent`` and ``seed``: ``energy_saving``,
        ``mean_energy`` (J per slot), ``mean_delay``, ``median_delay`` (s), ``outage`` and ``gap``;
        and, without the dimension ``policy``, the highest possible saving on the trace, ``bound``.
        ``gap`` is ``bound - energy_saving``, negative only if a limit is broken or the policy
        ``compresses``.

    Raises
    ------
    Infeasible
        If no policy keeps the limits on one of the traces.
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> data = compare(Scenario(), ["adaptive", "dads"], V=0.1, seeds=2, n_slots=20_000)
    >>> bool((data.gap.sel(policy="adaptive") > 0).all())
    True
    """
    import xarray as xr

    check_instance("scenario", scenario, Scenario)
    policies = list(POLICIES) if policies is None else policies
    if isinstance(policies, str) or not len(policies):
        raise ValueError(f"policies must be a non-empty sequence of policies, got {policies!r}")
    for policy in policies:
        check_policy(policy)
    names = [name_of(policy) for policy in policies]
    if len(set(names)) < len(names):
        raise ValueError(f"policies must not hold a name twice, got {names}")
    check_real("V", V)
    grid = Grid.checked(
        {"": scenario}, alpha_max, path_loss_exponent, seeds, n_slots, burn_in, n_jobs, progress
    )

    def cell(alpha: float, exponent: float, seed: int) -> tuple[float, list[list[float]]]:
        at = replace(scenario, alpha_max=alpha, path_loss_exponent=exponent)
        trace = draw_trace(at, grid.n_slots, rng=trace_rng(at, seed))
        bound = lower_bound(at, trace.after(burn_in))
        rows = []
        for policy in policies:
            (result,) = simulate_each(at, trace, [V], _solved(policy, bound), burn_in, history=True)
            assert result.history is not None
            median = float(np.median(result.history.delay[burn_in:]))
            saving = result.energy_saving
            energy, delay = result.mean_energy, result.mean_delay
            rows.append(
                [saving, energy, delay, median, result.outage, bound.energy_saving - saving]
            )
        return bound.energy_saving, rows

    bounds, rows = zip(*grid.map(cell, "compare"), strict=True)
    axes = grid.axes
    shape = tuple(len(axis) for axis in axes.values())
    data = xr.Dataset(coords={"policy": names, **axes})
    table = np.array(rows).reshape(*shape, len(names), len(_VARIABLES))
    for index, (name, (long_name, units)) in enumerate(_VARIABLES.items()):
        values = np.moveaxis(table[..., index], -1, 0)
        data[name] = (("policy", *axes), values, {"long_name": long_name, "units": units})
    about = {"long_name": "highest possible energy saving", "units": "1"}
    data["bound"] = (tuple(axes), np.reshape(bounds, shape), about)
    return data.assign_attrs(V=V, n_slots=grid.n_slots, burn_in=burn_in)


def _solved(policy: str | PolicyFunction, bound: Bound) -> str | PolicyFunction:
    """Return the policy, with the bound filled in if it would compute the bound again."""
    entry = POLICIES.get(policy) if isinstance(policy, str) else None
    if entry and entry.hindsight and entry.hindsight.choice == "best prices":
        function: Any = entry.function
        return partial(function, bound=bound)
    return policy


def comparison(
    data: xr.Dataset, scenario: Scenario, tolerance: float = SETTLED_TOLERANCE
) -> pd.DataFrame:
    """Return the result of `compare` as a table of means with 95 % confidence intervals.

    Parameters
    ----------
    data : xarray.Dataset
        From `compare`.
    scenario : Scenario
        Gives the limits.
    tolerance : float
        Share of a limit by which a mean may exceed it and still count as keeping it, positive; by
        default the growth allowed for the queues of a settled run.

    Returns
    -------
    pandas.DataFrame
        One row for each policy and condition. Each variable ``x`` has its mean over the seeds in
        ``x`` and half the width of the interval in ``x_half``; ``keeps_delay`` and ``keeps_outage``
        tell whether the limits are kept.
    """
    import xarray as xr

    check_instance("data", data, xr.Dataset)
    check_instance("scenario", scenario, Scenario)
    check_real("tolerance", tolerance)
    columns = {}
    for name in _VARIABLES:
        interval = confidence_interval(data[name])
        columns[name] = interval["mean"]
        columns[f"{name}_half"] = (interval.upper - interval.lower) / 2
    columns["keeps_delay"] = columns["mean_delay"] <= scenario.d_avg * (1 + tolerance)
    columns["keeps_outage"] = columns["outage"] <= scenario.epsilon * (1 + tolerance)
    order = ["alpha_max", "path_loss_exponent", "policy"]
    return xr.Dataset(columns).to_dataframe(dim_order=order)
