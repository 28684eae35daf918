"""The certified bound, against a linear program over all choices of a policy."""

import dataclasses

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy import sparse
from scipy.optimize import linprog

import splitlib as sl
from splitlib.bound import Infeasible, Point, _mix, ceiling, lower_bound


def every_choice(scenario, trace, n_powers=40):
    """Return energy, delay and outage for each slot, splitting point and sampled rate."""
    profile = scenario.profile
    n = trace.arrivals[:, None, None]
    powers = np.geomspace(scenario.p_min, scenario.p_max, n_powers)
    gain = trace.gain[:, None, None]
    rates = sl.channel.rate(powers, gain, scenario.bandwidth, scenario.noise_psd)
    computing = n * (
        scenario.device.delay(profile.local_flops)[:, None]
        + scenario.host.delay(profile.remote_flops)[:, None] / trace.availability[:, None, None]
    )
    bits = n * profile.offload_bits[:, None]
    # The candidates include the rate that just meets the deadline, if there is one.
    with np.errstate(divide="ignore", invalid="ignore"):
        just = np.where(scenario.d_max > computing, bits / (scenario.d_max - computing), 0.0)
    just = np.clip(just, rates[..., :1], rates[..., -1:])
    rates = np.concatenate(np.broadcast_arrays(*np.split(rates, n_powers, axis=-1), just), axis=-1)
    rates = rates.reshape(*just.shape[:2], -1)
    power = sl.channel.power(rates, gain, scenario.bandwidth, scenario.noise_psd)
    sending = bits / rates
    delay = computing + sending
    energy = n * profile.local_energy[:, None] + power * sending
    outage = (delay > scenario.d_max * (1 + 1e-12)).astype(float)
    shape = trace.n_slots, -1
    return energy.reshape(shape), delay.reshape(shape), outage.reshape(shape)


def brute_force(scenario, trace):
    """Return the least mean energy of any randomized policy on sampled rates."""
    energy, delay, outage = every_choice(scenario, trace)
    slots, choices = energy.shape
    one_choice = sparse.kron(sparse.eye(slots), np.ones((1, choices)))
    found = linprog(
        energy.ravel() / slots,
        A_ub=np.array([delay.ravel(), outage.ravel()]) / slots,
        b_ub=[scenario.d_avg, scenario.epsilon],
        A_eq=one_choice,
        b_eq=np.ones(slots),
    )
    return found.fun


SCENARIOS = [
    sl.Scenario(),
    sl.Scenario(alpha_max=0.02),
    sl.Scenario(path_loss_exponent=4.0, d_avg=0.02, epsilon=0.05),
    sl.Scenario(device=dataclasses.replace(sl.JETSON_TX2, a=2.7e-10, b=1.2e-12, a_prime=6e-11)),
    sl.Scenario(d_avg=0.2, d_max=0.03, epsilon=0.0),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=range(len(SCENARIOS)))
def test_bound_agrees_with_a_linear_program_over_all_choices(scenario):
    trace = sl.draw_trace(scenario, 60, rng=4)
    best = brute_force(scenario, trace)
    bound = lower_bound(scenario, trace, tolerance=1e-7)
    assert bound.energy <= best * (1 + 1e-9), "a randomized policy falls below the bound"
    # Error of the sampled rates: neighbouring powers around the minimum differ by 6 per cent.
    assert bound.primal.energy >= best * (1 - 3e-3)
    assert bound.primal.delay <= scenario.d_avg * (1 + 1e-9)
    assert bound.primal.outage <= scenario.epsilon + 1e-12
    assert 0 <= bound.gap + 1e-12 <= 2e-7 * bound.energy + 1e-12
    assert bound.iterations < 100


@settings(max_examples=150)
@given(
    policy=st.sampled_from([entry.name for entry in sl.POLICIES.values() if not entry.compresses]),
    alpha_max=st.floats(1e-3, 1), exponent=st.floats(2.5, 5), d_avg=st.floats(0.006, 0.3),
    d_max=st.floats(0.02, 0.3), epsilon=st.floats(0, 0.3), V=st.floats(1e-4, 1e3),
    scale=st.floats(1e-4, 1), seed=st.integers(0, 100),
)  # fmt: skip
def test_no_policy_within_the_limits_beats_the_bound(
    policy, alpha_max, exponent, d_avg, d_max, epsilon, V, scale, seed
):
    device = sl.JETSON_TX2
    device = dataclasses.replace(device, a=device.a * scale, b=device.b * scale)
    scenario = sl.Scenario(device=device, alpha_max=alpha_max, path_loss_exponent=exponent,
                           d_avg=d_avg, d_max=d_max, epsilon=epsilon)  # fmt: skip
    trace = sl.draw_trace(scenario, 400, rng=seed)
    try:
        result = sl.simulate(scenario, trace, V=V, policy=policy, burn_in=0)
    except Infeasible:  # clairvoyant, if no policy keeps the limits
        assume(False)
    assume(result.outage <= 0.999)
    kept = dataclasses.replace(scenario, d_avg=max(result.mean_delay, 1e-9), epsilon=result.outage)
    bound = lower_bound(kept, trace)
    assert bound.energy <= result.mean_energy * (1 + 1e-9)
    assert bound.energy_saving >= result.energy_saving - 1e-9


@pytest.mark.parametrize("slack", [0.0, 1e-14, 1e-10, 1e-6])
@pytest.mark.parametrize(
    ("alpha_max", "seed"), [(0.90625, 3), (0.90625, 66), (0.9055820250856, 92)]
)
def test_limits_that_can_only_just_be_kept(alpha_max, seed, slack):
    """Only the fastest policy has the least mean delay; a solver may fail to find this point."""
    scenario = sl.Scenario(alpha_max=alpha_max, path_loss_exponent=2.5, d_avg=0.25, d_max=0.25)
    trace = sl.draw_trace(scenario, 400, rng=seed)
    fastest = sl.simulate(scenario, trace, V=1.0, policy="neurosurgeon", burn_in=0)
    assert fastest.outage == 0
    d_avg = fastest.mean_delay * (1 + slack)
    bound = lower_bound(dataclasses.replace(scenario, d_avg=d_avg, epsilon=0.0), trace)
    assert bound.primal.delay <= d_avg
    assert bound.primal.outage == 0
    assert bound.primal.energy <= fastest.mean_energy * (1 + 1e-12)
    assert -1e-12 * bound.energy <= bound.gap <= 1e-5 * bound.energy


@pytest.mark.parametrize("units", [(1.0, 1.0), (1e-9, 1.0), (1.0, 1e-9), (1e9, 1e9)])
def test_a_mixture_by_hand(units):
    """The best mixture takes a hundredth of the second policy; the others would save less."""
    unit = np.array([*units, 1.0])
    points = [(10.0, 0.0, 0.0), (7.0, 1.0, 0.0), (9.9, 0.05, 0.0), (5.0, 10.0, 0.0)]
    mixed = _mix([Point(*point * unit) for point in points], np.array([0.01, 0.0]) * unit[1:])
    assert mixed == pytest.approx((9.97, 0.01, 0.0) * unit, rel=1e-9)


def test_bound_is_zero_if_computing_costs_no_energy():
    free = dataclasses.replace(sl.JETSON_TX2, a=0.0, b=0.0, a_prime=0.0)
    scenario = sl.Scenario(device=free, d_avg=1.0, d_max=1.0)
    bound = lower_bound(scenario, sl.draw_trace(scenario, 200, rng=0))
    assert (bound.energy, bound.gap, bound.iterations) == (0, 0, 1)


@pytest.mark.parametrize("policy", sl.POLICIES.values(), ids=lambda policy: policy.name)
def test_compresses_tells_whether_a_policy_compresses(policy):
    """The bound holds for the costs of the network's own cuts; compression may beat it."""
    scenario = sl.Scenario()
    trace = sl.draw_trace(scenario, 2_000, rng=0)
    hindsight = policy.hindsight
    rules = hindsight.rules(scenario) if hindsight else [policy(scenario, trace)]
    plain = [
        np.array_equal(rule.costs, sl.Rule.over(scenario, rule.splits).costs)
        for rule in rules
        if isinstance(rule, sl.Rule)  # not a function, which cuts the network as it is
    ]
    assert all(plain) == (not policy.compresses)


@pytest.mark.parametrize(("field", "values"), [
    ("d_avg", [0.02, 0.03, 0.05, 0.08]), ("epsilon", [0.001, 0.01, 0.1]),
    ("p_max", [0.05, 0.1, 0.3]), ("d_max", [0.06, 0.1, 0.2]),
])  # fmt: skip
def test_looser_limits_always_save_energy(field, values):
    trace = sl.draw_trace(sl.Scenario(alpha_max=0.3), 5_000, rng=1)
    scenarios = [sl.Scenario(alpha_max=0.3, **{field: value}) for value in values]
    bounds = [lower_bound(scenario, trace, tolerance=1e-7).energy for scenario in scenarios]
    assert np.all(np.diff(bounds) < 0)


def test_prices_are_the_slopes_of_the_least_energy():
    """Compare with finite differences of the least energy over the limits."""
    scenario = sl.Scenario(alpha_max=0.1)
    trace = sl.draw_trace(scenario, 20_000, rng=1)
    bound = lower_bound(scenario, trace, tolerance=1e-7)
    for field, price, step in (
        ("d_avg", bound.delay_price, 1e-3),
        ("epsilon", bound.outage_price, 1e-3),
    ):
        value = getattr(scenario, field)
        ends = [dataclasses.replace(scenario, **{field: value + sign * step}) for sign in (1, -1)]
        high, low = (lower_bound(end, trace, tolerance=1e-7).energy for end in ends)
        assert (low - high) / (2 * step) == pytest.approx(price, rel=0.02)


def test_limits_that_do_not_bind_have_no_price():
    scenario = sl.Scenario(d_avg=1e6, epsilon=0.999)
    trace = sl.draw_trace(scenario, 1_000, rng=1)
    bound = lower_bound(scenario, trace)
    assert (bound.delay_price, bound.outage_price) == (0, 0)
    assert bound.iterations == 1
    free = sl.simulate(scenario, trace, V=1e12, burn_in=0)
    assert bound.energy == pytest.approx(free.mean_energy, rel=1e-6)
    assert bound.energy_saving == pytest.approx(free.energy_saving, rel=1e-6)


@pytest.mark.parametrize(("fields", "message"), [
    ({"d_avg": 1e-3}, r"d_avg must be at least 0\.0046\d* s on this trace.*got 0\.001"),
    ({"d_max": 4e-3, "epsilon": 0.0}, r"epsilon must be at least 0\.6\d* on this trace.*got 0\.0"),
])  # fmt: skip
def test_infeasible_limits_are_named(fields, message):
    scenario = sl.Scenario(**fields)
    with pytest.raises(Infeasible, match=message):
        lower_bound(scenario, sl.draw_trace(scenario, 5_000, rng=0))


def highest(table, limits):
    """Return the height of the ceiling from a linear program over height and prices."""
    energy, delay, outage = table
    found = linprog(
        [-1, 0, 0],
        A_ub=np.column_stack([np.ones(energy.size), limits[0] - delay, limits[1] - outage]),
        b_ub=energy,
        bounds=[(None, None), (0, None), (0, None)],
    )
    return -found.fun


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_ceiling_agrees_with_a_linear_program(seed, n):
    rng = np.random.default_rng(seed)
    table = rng.random((3, n)) * [[2.0], [0.2], [0.5]]
    table[1:, 0] = 0.01, 0.0  # one keeps both limits, so the ceiling is finite
    limits = 0.05, 0.1
    prices = np.zeros(3)
    height = ceiling(*table, n, *limits, prices)
    assert height == pytest.approx(highest(table, limits), rel=1e-7)
    assert (prices >= 0).all()
    assert prices[0] == 1
    at = table[0] + prices[1:] @ (table[1:] - np.array(limits)[:, None])
    assert height == pytest.approx(at.min(), rel=1e-12)
