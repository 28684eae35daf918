"""Each policy on slots computed by hand, and properties common to all policies."""

import dataclasses
import functools
import inspect
import re
from functools import partial

import numpy as np
import pytest

import splitlib as sl
from benchmarks.straightforward import slot_loop
from splitlib import policies
from splitlib.bound import means_of, priced
from splitlib.loop import COMPILED, PLAIN, SlotLoop, upper_limits
from splitlib.simulate import simulate_each

SERIES = ("split", "rate", "delay", "energy", "Z", "H")


def toy(**changes):
    """Return a scenario with a network of two stages, in round numbers.

    For one image and k = 0, 1, 2: 0, 1, 2 ms on the device; 0.2, 0.1, 0 ms on a free host; 1000,
    100, 0 bits; 0, 1, 2 µJ. At the gain of `slot`, 1 mW gives 1 Mbit/s and 3 mW give 2 Mbit/s.
    """
    network = sl.Network("toy", (100, 1, 1), (
        sl.Stage("first", (sl.Linear(100, 10),)), sl.Stage("second", (sl.Linear(10, 100),)),
    ))  # fmt: skip
    fields = {
        "network": network, "bits_per_element": 10,
        "device": sl.Board("here", 2e6, a=1e-9, b=1e-9, a_prime=1e-9),
        "host": sl.Board("there", 2e7), "bandwidth": 1e6, "noise_psd": 1e-12,
        "p_min": 1e-3, "p_max": 3e-3, "d_max": 2e-3, "d_avg": 2e-3,
    }  # fmt: skip
    return sl.Scenario(**fields | changes)


def slot(availability=0.5, images=1):
    """Return a trace of one slot."""
    return sl.Trace([1e-3], [availability], [images])


def outcome(policy, scenario, trace):
    """Return splitting point, delay in ms and energy in µJ of one slot."""
    history = sl.simulate(scenario, trace, policy=policy, burn_in=0, history=True).history
    return history.split[0], history.delay[0] * 1e3, history.energy[0] * 1e6


JUST = 1.2 + 0.1 / 1.5  # ms; sending the features in this time takes 1.5 Mbit/s


def fastest(scenario, trace):
    """Return a rule that ignores energy."""
    return sl.Rule.over(scenario, rate="exact", delay_price=1.0)


LOUD = {"noise_psd": 1e-6, "p_min": 1e3, "p_max": 3e3}  # sending costs J instead of µJ

BY_HAND = [
    (fastest, {}, 0.5, (0, 0.9, 1.5)),
    (fastest, LOUD, 0.5, (0, 0.9, 1.5e6)),
    (fastest, LOUD, 0.1, (2, 2.0, 2.0)),
    ("full_offloading", {}, 0.5, (0, 0.5 + 0.4, 3 * 0.5)),
    ("full_local", {}, 0.5, (2, 2.0, 2.0)),
    ("after_first_conv", {}, 0.5, (1, 1 + 0.05 + 0.2, 1 + 0.15)),
    ("neurosurgeon", {}, 0.5, (0, 0.9, 1.5)),
    ("neurosurgeon", {}, 0.1, (2, 2.0, 2.0)),
    ("neurosurgeon_energy", {}, 0.5, (1, 1.25, 1.15)),
    ("neupart", {}, 0.1, (1, 1 + 0.05 + 1, 1.15)),
    ("dads", {}, 0.1, (2, 2.0, 2.0)),  # no stage exceeds a slot: least latency
    ("dads", {"d_max": 1.5e-3}, 0.1, (1, 2.05, 1.15)),  # one would: the longest take 2, 1, 2 ms
    ("dads", {}, 0.19, (0, 0.5 + 0.2 / 0.19, 1.5)),
    ("dads", {"d_max": 1.04e-3}, 0.19, (1, 1 + 0.05 + 0.1 / 0.19, 1.15)),
    (partial(policies.static, split=1), {}, 0.5, (1, 1.25, 1.15)),
    (partial(policies.static, split=1, rate="p_min"), {}, 0.5, (1, 1.3, 1 + 0.1)),
    (partial(policies.static, split=1, rate="p_min"), {"d_max": 1.27e-3}, 0.5, (1, 1.3, 1.1)),
    (partial(policies.static, split=1, rate="d_max"), {}, 0.5, (1, 1.3, 1.1)),
    (partial(policies.static, split=1, rate="d_max"), {"d_max": JUST * 1e-3}, 0.5,
     (1, JUST, 1 + (2**1.5 - 1) * 0.1 / 1.5)),
    ("myopic", {}, 0.5, (0, 1 + 0.4, 1.0)),
    ("myopic", {"d_max": JUST * 1e-3}, 0.5,  # the raw image in the remaining time, at low power
     (0, JUST, (2 ** (1 / (JUST - 0.4)) - 1) * (JUST - 0.4))),
    ("myopic", {}, 0.1, (2, 2.0, 2.0)),  # exactly in time: no outage
    ("myopic", {"d_max": 0.5e-3}, 0.5, (0, 1.4, 1.0)),  # impossible: least energy instead
    ("myopic_d_avg", {"d_avg": JUST * 1e-3}, 0.5,
     (0, JUST, (2 ** (1 / (JUST - 0.4)) - 1) * (JUST - 0.4))),
    (partial(policies.retransmission, factor=4, probability=0.3), {}, 0.5,
     (0, 0.5 * 0.55 + 0.4 * 1.3, 1.5 * 0.55)),
    ("auto_split", {}, 0.5, (0, 0.8 * 0.5 + 0.4, 0.8 * 1.5)),  # 8 bits
    (partial(policies.auto_split, bit_widths=(5, 10)), {}, 0.5, (0, 0.25 + 0.4, 0.75)),
    (partial(policies.auto_split, bit_widths=(5,)), {}, 0.1, (2, 2.0, 2.0)),
    # (1010 + 1100 + 100) * 5 / 8 = 1381 bytes for both stages, 694 for the first.
    (partial(policies.auto_split, bit_widths=(8,), memory=2210), {}, 0.1, (2, 2.0, 2.0)),
    (partial(policies.auto_split, bit_widths=(5,), memory=1382), {}, 0.1, (2, 2.0, 2.0)),
    (partial(policies.auto_split, bit_widths=(5,), memory=1381), {}, 0.1, (1, 2.025, 1.075)),
    (partial(policies.auto_split, bit_widths=(5,), memory=694), {}, 0.1, (1, 2.025, 1.075)),
    (partial(policies.auto_split, bit_widths=(5,), memory=0), {}, 0.1, (0, 2.25, 0.75)),
    (partial(policies.auto_split, bit_widths=(5,), memory=693), {}, 0.1, (0, 2.25, 0.75)),
    ("best_static", {}, 0.5, (0, 1.4, 1.0)),
    ("best_static", LOUD, 0.5, (2, 2.0, 2.0)),
    ("best_static", {"d_avg": 1.35e-3}, 0.5, (1, 1.3, 1.1)),
    ("best_static", {"d_avg": 1e-3}, 0.5, (0, 0.9, 1.5)),
    ("best_static", {"d_avg": 0.8e-3}, 0.5, (0, 0.9, 1.5)),  # none keeps it: least excess
]  # fmt: skip


@pytest.mark.parametrize(("policy", "changes", "availability", "expected"), BY_HAND)
def test_a_slot_by_hand(policy, changes, availability, expected):
    trace = slot(availability)
    assert outcome(policy, toy(**changes), trace) == pytest.approx(expected, rel=1e-12)


def test_a_delay_equal_to_the_limit_is_not_an_outage_by_hand():
    result = sl.simulate(toy(), slot(), policy="full_local", burn_in=0, history=True)
    assert result.history.delay[0] == toy().d_max
    assert result.outage == 0


@pytest.mark.parametrize(("policy", "changes", "availability", "expected"), BY_HAND)
def test_three_images_in_triple_time_cost_three_times_as_much(
    policy, changes, availability, expected
):
    once = toy(**changes)
    thrice = dataclasses.replace(once, d_max=3 * once.d_max, d_avg=3 * once.d_avg)
    k, delay, energy = outcome(policy, thrice, slot(availability, images=3))
    assert (k, delay / 3, energy / 3) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("factor", [4, 1000])
def test_a_bottleneck_by_hand(factor):
    """Encoder and decoder, from four channels to one and back, cost 16 * 4 MACs each."""
    network = sl.Network("toy", (1, 4, 4), (
        sl.Stage("first", (sl.Conv2d(1, 4, 1),)), sl.Stage("second", (sl.Conv2d(4, 1, 1),)),
    ))  # fmt: skip
    scenario = toy(network=network, device=sl.Board("here", 2e6, a=4e-9, b=1e-9, a_prime=1e-9))
    k, delay, energy = outcome(
        partial(policies.bottleneck, split=1, factor=factor), scenario, slot()
    )
    assert k == 1
    assert delay == pytest.approx(0.064 + 0.064 + 160 / 2e3 + 2 * 0.0064 + 2 * 0.0064)
    assert energy == pytest.approx(64 * (4 / 4 + 1) * 1e-3 + 64 * (4 / 1 + 1) * 1e-3 + 3 * 0.08)


@pytest.mark.parametrize(("policy", "numbers"), [
    (policies.bottleneck, {"split": 3, "factor": 8.0}),
    (policies.retransmission, {"factor": 4.0, "probability": 0.3}),
    (policies.auto_split, {"bit_widths": (8, 16), "memory": 32e6}),
    (policies.auto_split_rules, {"bit_widths": (8, 16), "memory": 32e6}),
])  # fmt: skip
def test_default_parameters(policy, numbers):
    given = inspect.signature(policy).parameters
    assert {name: given[name].default for name in numbers} == numbers


def test_a_bottleneck_of_factor_one_only_adds_work(scenario):
    trace = sl.draw_trace(scenario, 200, rng=0)
    with_it = sl.simulate(scenario, trace, policy=partial(policies.bottleneck, factor=1), burn_in=0)
    without = sl.simulate(scenario, trace, policy=partial(policies.static, split=3), burn_in=0)
    assert with_it.mean_energy > without.mean_energy
    assert with_it.mean_delay > without.mean_delay


@pytest.mark.parametrize("policy", sl.POLICIES)
def test_plain_and_compiled_loop_agree(policy):
    scenario = sl.Scenario(alpha_max=0.1)
    trace = sl.draw_trace(scenario, 800, rng=3)
    runs = [
        simulate_each(scenario, trace, [0.3], policy, 100, history=True, loops=loops)[0]
        for loops in (PLAIN, COMPILED)
    ]
    for name in SERIES:
        assert np.array_equal(*(getattr(one.history, name) for one in runs)), name


@pytest.mark.parametrize("policy", [p.name for p in sl.POLICIES.values() if not p.compresses])
def test_delay_and_energy_follow_from_split_and_rate(policy):
    scenario = sl.Scenario(alpha_max=0.1)
    trace = sl.draw_trace(scenario, 300, rng=8)
    history = sl.simulate(scenario, trace, policy=policy, burn_in=0, history=True).history
    n, k, profile = trace.arrivals, history.split, scenario.profile
    bits = n * profile.offload_bits[k]
    assert np.array_equal(history.rate > 0, bits > 0)
    sending = bits / np.where(bits > 0, history.rate, 1)
    here, there = profile.local_flops[k] / 1.3e12, profile.remote_flops[k] / 21e12
    delay = n * (here + there / trace.availability) + sending
    power = sl.channel.power(history.rate, trace.gain, scenario.bandwidth, scenario.noise_psd)
    np.testing.assert_allclose(history.delay, delay, rtol=1e-12)
    np.testing.assert_allclose(history.energy, n * profile.local_energy[k] + power * sending)


def objective(scenario, Z, H, V, delay, energy):
    return Z * delay + H * (delay > scenario.d_max) + V * energy


@pytest.mark.parametrize(("scale", "V"), [(1.0, 0.3), (1.0, 3.0), (0.01, 30.0)])
def test_exact_is_never_worse_than_adaptive_in_the_problem_of_a_slot(scale, V):
    """Compare slot by slot with equal queues; no sampled rate is better than the exact one."""
    tx2 = sl.JETSON_TX2
    device = sl.Board("scaled", 1.3e12, a=tx2.a * scale, b=tx2.b * scale, a_prime=tx2.a_prime)
    scenario = sl.Scenario(alpha_max=0.1, device=device)
    trace = sl.draw_trace(scenario, 600, rng=5)
    history = sl.simulate(scenario, trace, V=V, burn_in=0, history=True).history
    rule = policies.exact(scenario, trace)
    powers = np.geomspace(scenario.p_min, scenario.p_max, 60)
    better = 0
    for t in range(trace.n_slots):
        Z, H = history.Z[t], history.H[t]
        single = sl.Trace(trace.gain[[t]], trace.availability[[t]], trace.arrivals[[t]])
        one = SlotLoop(scenario, single, rule, [V])
        one.sums.Z[:], one.sums.H[:] = Z, H
        one.advance(slice(0, 1), upper_limits(scenario, single.gain))
        delay, energy = one.sums.delay, one.sums.energy
        exact = objective(scenario, Z, H, V, delay[0], energy[0])
        adaptive = objective(scenario, Z, H, V, history.delay[t], history.energy[t])
        assert exact <= adaptive * (1 + 1e-12)
        better += exact < adaptive * (1 - 1e-9)
        if single.arrivals[0]:
            rates = sl.channel.rate(powers, single.gain[0], scenario.bandwidth, scenario.noise_psd)
            observed = sl.Slot(single.gain[0], single.availability[0], int(single.arrivals[0]),
                               Z, H, V, rates[0], rates[-1], scenario)  # fmt: skip
            costs = [objective(scenario, Z, H, V, *observed.costs(rate)).min() for rate in rates]
            assert exact <= min(costs) * (1 + 1e-12)
    assert better > 0


def test_exact_equals_adaptive_if_no_slot_can_be_late():
    scenario = sl.Scenario(d_max=1e9)
    trace = sl.draw_trace(scenario, 3_000, rng=1)
    one, two = (
        sl.simulate(scenario, trace, V=0.3, policy=policy, burn_in=0, history=True).history
        for policy in ("adaptive", "exact")
    )
    assert np.array_equal(one.split, two.split)
    assert np.array_equal(one.energy, two.energy)


@pytest.mark.parametrize("alpha_max", [0.1, 1.0])
@pytest.mark.parametrize("exponent", [3.0, 4.7])
def test_clairvoyant_meets_the_bound_and_both_limits(alpha_max, exponent):
    scenario = sl.Scenario(alpha_max=alpha_max, path_loss_exponent=exponent)
    trace = sl.draw_trace(scenario, 60_000, rng=7)
    result = sl.simulate(scenario, trace, policy="clairvoyant", burn_in=5_000)
    bound = sl.lower_bound(scenario, trace.after(5_000))
    assert result.mean_delay <= scenario.d_avg
    assert result.outage <= scenario.epsilon
    assert 1 - 1e-9 <= result.mean_energy / bound.energy <= 1 + 2e-3


@pytest.mark.parametrize("seed", range(6))
def test_clairvoyant_keeps_limits_that_the_best_prices_just_miss(seed):
    scenario = sl.Scenario(alpha_max=0.1)
    trace = sl.draw_trace(scenario, 2_000, rng=seed)
    bound = sl.lower_bound(scenario, trace)
    prices = bound.delay_price, bound.outage_price
    (point,) = means_of(scenario, trace, [priced(scenario, 1.0, *prices)])
    assert (point.delay > scenario.d_avg) == (seed != 3)
    result = sl.simulate(scenario, trace, policy="clairvoyant", burn_in=0)
    assert result.mean_delay <= scenario.d_avg
    assert result.outage <= scenario.epsilon


def test_clairvoyant_falls_back_to_the_fastest_policy():
    """A bound with prices of 0 is given, which no factor can raise."""
    scenario = sl.Scenario(d_avg=0.02)
    trace = sl.draw_trace(scenario, 500, rng=0)
    free = dataclasses.replace(sl.lower_bound(scenario, trace), delay_price=0.0, outage_price=0.0)
    hurried = partial(policies.clairvoyant, bound=free)
    one, two = (
        sl.simulate(scenario, trace, policy=policy, burn_in=0, history=True).history
        for policy in (hurried, "neurosurgeon")
    )
    assert np.array_equal(one.split, two.split)
    assert np.array_equal(one.delay, two.delay)
    assert np.array_equal(one.energy, two.energy)


def test_clairvoyant_may_exhaust_a_limit():
    """With epsilon = 0 and no outages, the limit is met exactly, so its price must not rise."""
    scenario = sl.Scenario(epsilon=0.0, d_max=1e6)
    trace = sl.draw_trace(scenario, 5_000, rng=7)
    result = sl.simulate(scenario, trace, policy="clairvoyant", burn_in=0)
    assert result.outage == 0
    assert result.mean_energy == pytest.approx(sl.lower_bound(scenario, trace).energy, rel=1e-2)


def test_clairvoyant_raises_if_no_policy_keeps_the_limits(scenario):
    strict = sl.Scenario(d_avg=1e-3)
    with pytest.raises(sl.Infeasible, match="d_avg must be at least"):
        sl.simulate(strict, sl.draw_trace(strict, 500, rng=0), policy="clairvoyant", burn_in=0)


@pytest.mark.parametrize("policy", ["best_static", "auto_split", "clairvoyant"])
def test_hindsight_ignores_the_burn_in(policy):
    """Changing the trace during the burn-in has no effect."""
    scenario = sl.Scenario(alpha_max=0.1)
    trace = sl.draw_trace(scenario, 4_000, rng=2)
    other = sl.Trace(
        np.r_[trace.gain[:1000] * 1e-6, trace.gain[1000:]], trace.availability, trace.arrivals
    )
    one, two = (
        sl.simulate(scenario, these, policy=policy, burn_in=1000) for these in (trace, other)
    )
    assert one.mean_energy == two.mean_energy


def test_ties_go_to_the_first_energy():
    assert policies.least_within([2.0, 1.0, 1.0], [1.0] * 3, [0.0] * 3, 3, 1.0, 0.0) == 1


def test_best_static_is_the_best_static_policy():
    scenario = sl.Scenario(alpha_max=0.5)
    trace = sl.draw_trace(scenario, 20_000, rng=2)
    best = sl.simulate(scenario, trace, policy="best_static", burn_in=0)
    kept = []
    for split in range(20):
        for rate in ("p_max", "p_min", "d_max"):
            policy = partial(policies.static, split=split, rate=rate)
            one = sl.simulate(scenario, trace, policy=policy, burn_in=0)
            if one.mean_delay <= scenario.d_avg and one.outage <= scenario.epsilon:
                kept.append(one.mean_energy)
    assert best.mean_energy == min(kept)


@pytest.mark.parametrize("local_energy_per", ["image", "slot"])
def test_a_custom_policy_can_reproduce_the_papers_controller(local_energy_per):
    """Written as a function of the slot, it has the same decisions and costs as the loop."""

    @sl.online
    def written_anew(slot):
        s, omega = slot.scenario, slot.Z + slot.H / slot.scenario.d_max
        link = slot.gain, s.bandwidth, s.noise_psd
        rate = sl.channel.optimal_rate(slot.V, omega, *link, slot.rate_min, slot.rate_max)
        delay, energy = slot.costs(float(rate))
        late = delay > s.d_max
        return np.argmin(slot.Z * delay + slot.H * late + slot.V * energy), rate

    scenario = sl.Scenario(alpha_max=0.1, arrival_rate=3.0, local_energy_per=local_energy_per)
    trace = sl.draw_trace(scenario, 1_500, rng=0)
    own = sl.simulate(scenario, trace, V=0.3, policy=written_anew, burn_in=100, history=True)
    ours = sl.simulate(scenario, trace, V=0.3, burn_in=100, history=True)
    reference = slot_loop(scenario, trace, 0.3)
    assert own.policy == "written_anew"
    assert np.array_equal(own.split_histogram, ours.split_histogram)
    for name in SERIES:
        values = getattr(own.history, name)
        np.testing.assert_allclose(values, getattr(ours.history, name), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(values, reference[name], rtol=1e-8, atol=1e-12)


def test_a_custom_policy_is_called_only_in_slots_with_images(scenario):
    asked = []

    @sl.online
    def noting(slot):
        asked.append(slot.arrivals)
        return 19, slot.rate_min

    trace = sl.Trace([1e-10] * 4, [0.5] * 4, [2, 0, 3, 0])
    assert sl.simulate(scenario, trace, policy=noting, burn_in=0).split_histogram.sum() == 4
    assert asked == [2, 3]


@pytest.mark.parametrize("per", ["image", "slot"])
def test_costs_of_a_slot_by_hand(per):
    """For three images at half a bit per second, and at rate 0."""
    scenario = toy(local_energy_per=per)
    shown = sl.Slot(1e-3, 0.5, 3, 0.0, 0.0, 1.0, 0.0, 2e6, scenario)
    images = {"image": 3, "slot": 1}[per]
    sending, computing = np.array([6000.0, 600.0, 0.0]), 3 * np.array([0.4, 1.2, 2.0]) * 1e-3
    local = images * np.array([0.0, 1.0, 2.0]) * 1e-6
    delay, energy = shown.costs(0.5)
    np.testing.assert_allclose(delay, computing + sending, rtol=1e-12)
    power = np.expm1(0.5e-6 * np.log(2)) * 1e-3
    np.testing.assert_allclose(energy, local + power * sending, rtol=1e-9)
    delay, energy = shown.costs(0.0)
    assert (delay[:2] > 1e100).all()
    np.testing.assert_allclose(energy[:2], scenario.p_min * delay[:2])
    assert (delay[2], energy[2]) == (pytest.approx(6e-3), pytest.approx(local[2]))


@pytest.mark.parametrize("gain", [1e-10, 1e-3])
@pytest.mark.parametrize(("rate", "limit"), [("p_min", "rate_min"), ("p_max", "rate_max")])
def test_a_custom_policy_costs_as_much_as_a_rule_on_a_weak_channel(gain, rate, limit):
    """This includes a channel on which a bit takes seconds."""
    own = sl.online(lambda slot: (1, getattr(slot, limit)))
    fixed = partial(policies.static, split=1, rate=rate)
    trace = sl.Trace([gain], [0.5], [1])
    one, other = (outcome(policy, toy(), trace) for policy in (own, fixed))
    assert one == pytest.approx(other, rel=1e-9)


def test_a_custom_policy_pays_for_sending_at_rate_zero():
    """At the smallest positive gain the rate rounds to 0."""
    trace = sl.Trace([5e-324], [0.5], [1])
    _, delay, energy = outcome(sl.online(lambda slot: (1, slot.rate_min)), toy(), trace)
    assert energy == pytest.approx(1e3 * toy().p_min * delay)


def test_a_custom_policy_that_stays_local_needs_no_rate(scenario):
    trace = sl.Trace([1e-10], [0.5], [2])
    assert outcome(sl.online(lambda slot: (19, 0.0)), scenario, trace) == outcome(
        "full_local", scenario, trace
    )


def test_a_custom_policy_cannot_modify_its_slot(scenario):
    def decide(slot):
        slot.arrivals = 0
        return 0, slot.rate_max

    with pytest.raises(dataclasses.FrozenInstanceError):
        sl.simulate(scenario, slot(), policy=sl.online(decide), burn_in=0)


@pytest.mark.parametrize("policy", ["exact", "myopic", "full_offloading"])
def test_only_the_papers_controller_uses_the_surrogate(policy):
    step = sl.Scenario(alpha_max=0.1, d_max=0.03)
    surrogate = dataclasses.replace(step, split_objective="surrogate")
    trace = sl.draw_trace(step, 500, rng=1)
    one, two = (
        sl.simulate(scenario, trace, policy=policy, burn_in=0, history=True).history
        for scenario in (step, surrogate)
    )
    assert np.array_equal(one.split, two.split)
    assert np.array_equal(one.energy, two.energy)


def test_a_custom_policy_in_a_sweep(scenario):
    @sl.online
    def mine(slot):
        return (0 if slot.availability > 0.5 else 19), slot.rate_max

    data = sl.sweep(scenario, policy=mine, seeds=2, n_slots=300, burn_in=0, progress=False)
    assert data.attrs["policy"] == "mine"
    assert ((data.mean_split > 5) & (data.mean_split < 14)).all()


@pytest.mark.parametrize(("limit", "factor"), [("rate_min", 1 - 1e-9), ("rate_max", 1 + 1e-9)])
def test_a_rate_beyond_its_limit_by_rounding_is_clipped(scenario, limit, factor):
    def at(factor):
        own = sl.online(lambda slot: (3, getattr(slot, limit) * factor))
        trace = sl.Trace([1e-10], [0.5], [2])
        return sl.simulate(scenario, trace, policy=own, burn_in=0, history=True).history.rate

    assert at(factor) == at(1.0)


@pytest.mark.parametrize(("decide", "error", "message"), [
    (lambda slot: 3, TypeError, "must return a splitting point and a rate in bit/s, got 3 in slot"),
    (lambda slot: (20, slot.rate_max), ValueError, r"must be in \[0, 19\], got 20 in slot 0"),
    (lambda slot: (-1, slot.rate_max), ValueError, r"must be in \[0, 19\], got -1 in slot 0"),
    (lambda slot: (3, slot.rate_max + 0.5), ValueError, r"rate must be in \[.*\] bit/s"),
    (lambda slot: (3, slot.rate_min - 0.5), ValueError, r"rate must be in \[.*\] bit/s"),
    (lambda slot: (3, slot.rate_max * (1 + 1e-6)), ValueError, r"rate must be in \[.*\] bit/s"),
    (lambda slot: (3, slot.rate_min * (1 - 1e-6)), ValueError, r"rate must be in \[.*\] bit/s"),
    (lambda slot: (3, float("nan")), ValueError, "rate must be in .* got nan in slot 0"),
])  # fmt: skip
def test_invalid_decisions_of_a_custom_policy_are_refused(scenario, decide, error, message):
    trace = sl.Trace([1e-13] * 3, [0.5] * 3, [2] * 3)
    with pytest.raises(error, match=message):
        sl.simulate(scenario, trace, policy=sl.online(decide), burn_in=0)


@pytest.mark.parametrize(("policy", "error", "message"), [
    (partial(policies.static, split=20), ValueError, r"split must be an integer in \[0, 19\], got"),
    (partial(policies.static, split=1.5), ValueError, "split must be an integer of at least 0"),
    (partial(policies.static, split=1, rate="max"), ValueError, "rate must be one of 'p_max'"),
    (policies.static, TypeError, "policy must be a function of scenario and trace .*'split'"),
    (lambda slot: (0, 1.0), TypeError, "splitlib.online makes one of a function of the slot"),
    (partial(policies.bottleneck, split=19), ValueError, r"integer in \[1, 18\], got 19"),
    (partial(policies.bottleneck, factor=0.5), ValueError, "factor must be a finite number in"),
    (partial(policies.retransmission, probability=2), ValueError, "probability must be a finite"),
    (partial(policies.retransmission, factor=0), ValueError, "factor must be a finite number"),
    (partial(policies.auto_split, bit_widths=()), ValueError, "bit_widths must hold at least one"),
    (partial(policies.auto_split, memory=-1), ValueError, "memory must be a finite number"),
    (partial(policies.neurosurgeon, least="power"), ValueError, "least must be one of 'latency'"),
    (partial(policies.myopic, deadline="never"), ValueError, "deadline must be one of 'd_max'"),
    ("dad", ValueError, r"policy must be one of .* \(did you mean 'dads'\?\)"),
    (3, ValueError, "policy must be one of"),
])  # fmt: skip
def test_bad_policies_are_refused(scenario, policy, error, message):
    trace = sl.Trace([1e-10] * 3, [0.5] * 3, [2] * 3)
    with pytest.raises(error, match=message):
        sl.simulate(scenario, trace, policy=policy, burn_in=0)


@pytest.mark.parametrize(
    "policy", [*sl.POLICIES.values(), policies.static, policies.auto_split_rules]
)
def test_parameters_of_policies_are_keyword_only(policy):
    given = inspect.signature(policy).parameters.values()
    by_name = {each.name for each in given if each.kind is each.KEYWORD_ONLY}
    assert {each.name for each in given} - by_name <= {"scenario", "trace"}
    assert all(each.kind is not each.POSITIONAL_ONLY for each in given)


def test_names_include_the_parameters_set():
    assert policies.name_of("dads") == "dads"
    assert policies.name_of(policies.dads) == "dads"
    named = functools.partial(policies.static, split=3, rate="p_min")
    assert policies.name_of(named) == "static(split=3, rate='p_min')"


@pytest.fixture
def registered():
    """Return a function that registers a policy for one test."""
    names = []

    def register(function, label="mine", **about):
        sl.register(label, **about)(function)
        names.append(about.get("name") or function.__name__)
        return function

    yield register
    for name in names:
        del sl.POLICIES[name]


def test_a_registered_policy_works_by_name_everywhere(scenario, registered):
    @registered
    def mine(scenario, trace):
        return sl.Rule.over(scenario, [3], rate="surrogate", virtual_queues=True)

    trace = sl.draw_trace(scenario, 3_000, rng=0)
    result = sl.simulate(scenario, trace, V=0.3, policy="mine", burn_in=100)
    assert (
        result.mean_energy
        == sl.simulate(scenario, trace, V=0.3, policy=mine, burn_in=100).mean_energy
    )
    assert result.policy == "mine" == sl.policies.name_of(sl.POLICIES["mine"])
    grid = {"V": 0.3, "seeds": [4], "n_slots": 3_000, "burn_in": 100, "progress": False}
    data = sl.compare(scenario, **grid)  # all registered policies
    assert list(data.policy.values) == list(sl.POLICIES)
    alone = sl.sweep(scenario, policy="mine", **grid)
    assert float(data.mean_energy.sel(policy="mine").item()) == alone.mean_energy.item()


def test_names_and_labels_must_be_unique(registered):
    three = partial(policies.static, split=3)
    with pytest.raises(ValueError, match="name must not be that of another policy, got 'adaptive'"):
        registered(three, name="adaptive")
    with pytest.raises(ValueError, match="name must be given"):
        registered(three, name="")
    with pytest.raises(ValueError, match="label must not be that of another policy, got 'DADS'"):
        registered(three, label="DADS", name="three")
    with pytest.raises(TypeError, match="label must be a str, got "):
        sl.register(three)
    assert next(iter(sl.POLICIES)) == "adaptive"
    assert "three" not in sl.POLICIES


@pytest.mark.parametrize(("how", "message"), [
    ({"splits": [20]}, "splits must be finite and in [0, 19], got 20.0 at index 0"),
    ({"splits": []}, "splits must hold at least one integer, got []"),
    ({"splits": [0.5]}, "splits must hold at least one integer, got [0.5]"),
    ({"rate": "max"}, "rate must be one of 'p_max', 'surrogate', 'exact', got 'max'"),
    ({"deadline": "soon"}, "deadline must be one of 'd_max', 'd_avg', got 'soon'"),
    ({"stage_limit": "d_avg"}, "stage_limit must be one of 'd_max', got 'd_avg'"),
    ({"energy_price": -1.0}, "energy_price must be a finite number in [0, inf), got -1.0"),
    ({"virtual_queues": 1}, "virtual_queues must be True or False, got 1"),
])  # fmt: skip
def test_bad_rules_are_refused(scenario, how, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        sl.Rule.over(scenario, **how)
