"""Comparisons of policies, against single runs and the bound."""

import dataclasses
from functools import partial

import numpy as np
import pytest

import splitlib as sl
from splitlib import policies

SHORT = {"n_slots": 9_000, "burn_in": 1_000, "progress": False}
CHOSEN = ["adaptive", "myopic", "clairvoyant", partial(policies.static, split=19)]


@pytest.fixture(scope="module")
def data():
    """Return a small comparison, at a V that settles quickly."""
    return sl.compare(
        sl.Scenario(), CHOSEN, V=0.1, alpha_max=[0.1, 1.0], path_loss_exponent=[3.0, 4.0],
        seeds=3, **SHORT,
    )  # fmt: skip


def test_comparison_agrees_with_single_runs_and_bounds(data, scenario):
    at = dataclasses.replace(scenario, alpha_max=0.1, path_loss_exponent=4.0)
    trace = sl.draw_trace(at, 9_000, rng=sl.trace_rng(at, 2))
    bound = sl.lower_bound(at, trace.after(1_000)).energy_saving
    for policy, name in zip(CHOSEN, data.policy.values, strict=True):
        single = sl.simulate(at, trace, V=0.1, policy=policy, burn_in=1_000, history=True)
        cell = data.sel(policy=name, alpha_max=0.1, path_loss_exponent=4.0, seed=2)
        for variable in ("energy_saving", "mean_energy", "mean_delay", "outage"):
            assert cell[variable] == getattr(single, variable)
        assert cell.median_delay == np.median(single.history.delay[1_000:])
        assert cell.bound == bound
        assert cell.gap == bound - single.energy_saving


def test_policies_within_both_limits_do_not_beat_the_bound(data, scenario):
    kept = (data.mean_delay <= scenario.d_avg) & (data.outage <= scenario.epsilon)
    assert kept.any()
    assert (data.gap.where(kept, 1.0) >= 0).all()


def test_table_shows_which_limits_are_kept(data, scenario):
    table = sl.comparison(data, scenario)
    assert len(table) == 4 * 4
    local = table.xs("static(split=19)", level="policy")
    assert local.keeps_delay.all()
    assert local.keeps_outage.all()
    assert not table.xs("myopic", level="policy").loc[(0.1, 3.0)].keeps_delay
    row = table.loc[(1.0, 3.0, "adaptive")]
    values = data.energy_saving.sel(policy="adaptive", alpha_max=1.0, path_loss_exponent=3.0)
    half = 4.302653 * values.std(ddof=1) / 3**0.5  # Student's t, 2 degrees of freedom
    assert row.energy_saving == pytest.approx(float(values.mean()))
    assert row.energy_saving_half == pytest.approx(float(half), rel=1e-6)


def test_a_limit_counts_as_kept_up_to_the_tolerance(data, scenario):
    short = data.isel(policy=[0], alpha_max=[0], path_loss_exponent=[0])
    for share, keeps in ((0.9, True), (1.0009, True), (1.002, False)):
        moved = short.assign(
            mean_delay=0 * short.mean_delay + share * scenario.d_avg,
            outage=0 * short.outage + share * scenario.epsilon,
        )
        row = sl.comparison(moved, scenario).iloc[0]
        assert (row.keeps_delay, row.keeps_outage) == (keeps, keeps)


def test_a_custom_policy_appears_in_the_table(scenario):
    @sl.online
    def mine(slot):
        delay, energy = slot.costs(slot.rate_max)
        energy[delay > 0.05] = np.inf
        return energy.argmin(), slot.rate_max

    data = sl.compare(scenario, ["adaptive", mine], seeds=1, n_slots=400, burn_in=0, progress=False)
    assert sl.comparison(data, scenario).loc[(1.0, 3.0, "mine")].mean_delay < 0.05


@pytest.mark.parametrize(("changes", "message"), [
    ({"policies": []}, "policies must be a non-empty sequence"),
    ({"policies": "adaptive"}, "policies must be a non-empty sequence of policies, got 'adaptive'"),
    ({"policies": ["adaptiv"]}, "did you mean 'adaptive'"),
    ({"policies": ["dads", policies.dads]}, "must not hold a name twice"),
    ({"V": 0.0}, "V must be a finite number"), ({"alpha_max": 2}, "alpha_max must be finite"),
    ({"seeds": 0}, "seeds must be"), ({"n_slots": 10}, "burn_in must be less than the 10 slots"),
])  # fmt: skip
def test_bad_input_is_refused(scenario, changes, message):
    with pytest.raises(ValueError, match=message):
        sl.compare(scenario, **{"progress": False, **changes})
