"""Simulations and sweeps, against other loops, closed forms and known limits."""

import dataclasses
import inspect
import sys
import tracemalloc

import hypothesis.strategies as st
import joblib
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from scipy import stats

import splitlib as sl
from benchmarks.straightforward import slot_loop
from splitlib import kernel
from splitlib.loop import COMPILED, PLAIN
from splitlib.simulate import simulate_each

SERIES = ("split", "rate", "delay", "energy", "Z", "H")


def trace_of(scenario, n_slots=2000, seed=0):
    """Return a short trace."""
    return sl.draw_trace(scenario, n_slots, rng=seed)


def history_of(scenario, trace, V=0.3, policy="adaptive"):
    """Return the per-slot series of one run."""
    return sl.simulate(scenario, trace, V=V, policy=policy, burn_in=0, history=True).history


@pytest.mark.parametrize("changes", [
    {}, {"alpha_max": 0.01}, {"path_loss_exponent": 4.7}, {"p_min": 1e-6, "p_max": 1e3},
    {"arrival_rate": 0.5}, {"p_min": 0.1}, {"epsilon": 0.0}, {"local_energy_per": "slot"},
    {"split_objective": "surrogate"}, {"raw_bits_per_element": 8, "flops_per_mac": 1},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("V", [1e-4, 0.3, 1e3])
def test_plain_compiled_and_numpy_loop_agree_slot_by_slot(changes, V):
    scenario = sl.Scenario(**changes)
    trace = trace_of(scenario, 1500)
    (plain,) = simulate_each(scenario, trace, [V], "adaptive", 0, history=True, loops=PLAIN)
    (compiled,) = simulate_each(scenario, trace, [V], "adaptive", 0, history=True, loops=COMPILED)
    first = slot_loop(scenario, trace, V)
    for name in SERIES:
        ours = getattr(plain.history, name)
        assert np.array_equal(ours, getattr(compiled.history, name)), name
        np.testing.assert_allclose(ours, first[name], rtol=1e-8, atol=1e-12, err_msg=name)
    assert plain.total_energy == compiled.total_energy


def test_splitting_point_and_rate_minimize_the_problem_of_the_slot(scenario, rng):
    """Compare with brute force over splitting points and rates; the rate is the surrogate's."""
    trace = trace_of(scenario, 400)
    V = 0.3
    history = history_of(scenario, trace, V)
    profile = scenario.profile
    for t in rng.choice(400, 60, replace=False):
        n, gain, Z, H = trace.arrivals[t], trace.gain[t], history.Z[t], history.H[t]
        powers = np.geomspace(scenario.p_min, scenario.p_max, 400)
        rates = sl.channel.rate(powers, gain, scenario.bandwidth, scenario.noise_psd)
        local = n * profile.local_flops / scenario.device.flops_per_second
        remote = n * profile.remote_flops / scenario.host.flops_per_second / trace.availability[t]
        sending = n * profile.offload_bits[:, None] / rates
        delay = local[:, None] + remote[:, None] + sending
        energy = n * profile.local_energy[:, None] + powers * sending
        relaxed = (Z + H / scenario.d_max) * delay + V * energy
        best = np.argmin(relaxed[0])
        true = (Z * delay + H * (delay > scenario.d_max) + V * energy)[:, best]
        chosen = history.split[t]
        assert true[chosen] <= true.min() * (1 + 1e-4)
        if chosen < profile.offload_bits.size - 1:
            assert history.rate[t] == pytest.approx(rates[best], rel=2e-2)


@pytest.mark.parametrize("burn_in", [0, 700])
def test_queues_follow_their_recursions(scenario, burn_in):
    trace = trace_of(scenario)
    history = sl.simulate(scenario, trace, V=0.3, burn_in=burn_in, history=True).history
    assert history.Z[0] == history.H[0] == 0
    late = history.delay > scenario.d_max
    Z = np.maximum(0, history.Z + history.delay - scenario.d_avg)
    H = np.maximum(0, history.H + late - scenario.epsilon)
    np.testing.assert_allclose(history.Z[1:], Z[:-1], rtol=1e-15)
    np.testing.assert_allclose(history.H[1:], H[:-1], rtol=1e-15)
    assert late.any()


@pytest.mark.parametrize("policy", sl.POLICIES)
def test_results_cover_only_the_slots_after_the_burn_in(scenario, policy):
    trace = trace_of(scenario, 9001)
    result = sl.simulate(scenario, trace, V=1.0, policy=policy, burn_in=4321, history=True)
    kept = {name: getattr(result.history, name)[4321:] for name in SERIES}
    assert len(result.history.split) == 9001
    assert result.mean_delay == pytest.approx(kept["delay"].mean())
    assert result.outage == pytest.approx((kept["delay"] > scenario.d_max).mean())
    assert result.mean_energy == pytest.approx(kept["energy"].mean())
    assert result.mean_split == pytest.approx(kept["split"].mean())
    assert result.std_split == pytest.approx(kept["split"].std())
    assert result.mean_queues == pytest.approx([kept["Z"].mean(), kept["H"].mean()])
    assert np.array_equal(result.split_histogram, np.bincount(kept["split"], minlength=20))
    assert result.arrivals == trace.arrivals[4321:].sum()
    local = result.arrivals * scenario.profile.local_energy[-1]
    assert result.energy_saving == pytest.approx(1 - kept["energy"].sum() / local)
    assert result.initial_queues == pytest.approx([kept["Z"][0], kept["H"][0]])
    sent = kept["rate"] > 0
    gain, noise = trace.gain[4321:][sent], (scenario.bandwidth, scenario.noise_psd)
    power = sl.channel.power(kept["rate"][sent], gain, *noise)
    inside = (power > 0.01 * (1 + 1e-9)) & (power < 0.1 * (1 - 1e-9))
    assert (result.sending_slots, result.rate_inside_slots) == (sent.sum(), inside.sum())
    if sent.any():
        assert result.rate_inside == pytest.approx(inside.mean())
    without = sl.simulate(scenario, trace, V=1.0, policy=policy, burn_in=4321)
    assert without.history is None
    assert without.total_energy == result.total_energy


@pytest.mark.parametrize("policy", sl.POLICIES)
@pytest.mark.parametrize("V", [1e-3, 1.0, 100.0])
def test_queue_growth_bounds_both_means(scenario, policy, V):
    result = sl.simulate(scenario, trace_of(scenario, 20_000), V=V, policy=policy, burn_in=500)
    assert result.mean_delay <= scenario.d_avg + result.queue_growth[0] + 1e-12
    assert result.outage <= scenario.epsilon + result.queue_growth[1] + 1e-12


def test_full_local_inference_in_closed_form(scenario):
    trace = trace_of(scenario)
    result = sl.simulate(scenario, trace, policy="full_local", burn_in=100)
    images = trace.arrivals[100:].mean()
    assert result.mean_delay == pytest.approx(images * 2 * 300_774_272 / 1.3e12)
    assert result.mean_energy == pytest.approx(images * 0.1356713, rel=1e-6)
    assert result.energy_saving == pytest.approx(0, abs=1e-12)
    assert (result.mean_split, result.std_split, result.outage) == (19, 0, 0)


def test_full_local_energy_as_printed_is_charged_once_per_slot_with_images():
    scenario = sl.Scenario(local_energy_per="slot", arrival_rate=0.5)
    trace = trace_of(scenario)
    result = sl.simulate(scenario, trace, policy="full_local", burn_in=0)
    assert result.total_energy == pytest.approx((trace.arrivals > 0).sum() * 0.1356713, rel=1e-6)
    assert result.energy_saving == pytest.approx(0, abs=1e-12)


def test_rate_share_is_nan_if_no_slot_sends(scenario):
    assert np.isnan(
        sl.simulate(scenario, trace_of(scenario), policy="full_local", burn_in=0).rate_inside
    )


def test_full_offloading_in_closed_form_per_slot(scenario):
    trace = trace_of(scenario)
    history = history_of(scenario, trace, policy="full_offloading")
    snr = 0.1 * trace.gain / (10**-17.4 * 1e-3 * 200e6)
    rate = 200e6 * np.log2(1 + snr)
    sending = 224 * 224 * 3 * 32 * trace.arrivals / rate
    computing = 2 * 300_774_272 * trace.arrivals / (21e12 * trace.availability)
    np.testing.assert_allclose(history.delay, sending + computing, rtol=1e-12)
    np.testing.assert_allclose(history.energy, 0.1 * sending, rtol=1e-12)
    assert not history.split.any()


@pytest.mark.parametrize("alpha_max", [1.0, 0.1])
def test_outage_of_full_offloading_agrees_with_quadrature(alpha_max):
    scenario = sl.Scenario(alpha_max=alpha_max)
    result = sl.simulate(scenario, trace_of(scenario, 400_000), policy="full_offloading", burn_in=0)
    alpha = alpha_max * (np.arange(20_000) + 0.5) / 20_000
    profile, outage = scenario.profile, 0.0
    for n in range(1, 60):
        left = scenario.d_max / n - profile.remote_flops[0] / (21e12 * alpha)
        rate = np.where(left > 0, profile.offload_bits[0] / np.maximum(left, 1e-300), np.inf)
        with np.errstate(over="ignore"):
            snr = 2 ** (rate / scenario.bandwidth) - 1
        gain = snr * scenario.noise_psd * scenario.bandwidth / scenario.p_max
        outage += stats.poisson.pmf(n, 10) * np.mean(-np.expm1(-gain / scenario.path_gain))
    standard_error = np.sqrt(outage * (1 - outage) / 400_000)
    assert result.outage == pytest.approx(outage, abs=4 * standard_error)


def test_only_energy_matters_as_v_grows(scenario):
    """V → ∞: the splitting point of least energy at the smallest power, for any delay."""
    trace = trace_of(scenario)
    history = history_of(scenario, trace, V=1e12)
    rate = sl.channel.rate(scenario.p_min, trace.gain, scenario.bandwidth, scenario.noise_psd)
    sending = scenario.profile.offload_bits / rate[:, None]
    energy = scenario.profile.local_energy + scenario.p_min * sending
    busy = trace.arrivals > 0
    assert np.array_equal(history.split[busy], np.argmin(energy, axis=1)[busy])


def test_only_delay_matters_as_v_vanishes(scenario):
    """V → 0: with a filled delay queue, the fastest splitting point at the largest power."""
    trace = trace_of(scenario)
    history = history_of(scenario, trace, V=1e-12)
    rate = sl.channel.rate(scenario.p_max, trace.gain, scenario.bandwidth, scenario.noise_psd)
    profile = scenario.profile
    delay = (
        scenario.device.delay(profile.local_flops)
        + scenario.host.delay(profile.remote_flops) / trace.availability[:, None]
        + profile.offload_bits / rate[:, None]
    ) * trace.arrivals[:, None]
    pressed = (history.Z > 1e-3) & (trace.arrivals > 0)
    assert pressed.sum() > 50
    assert np.array_equal(history.split[pressed], np.argmin(delay, axis=1)[pressed])


def test_slots_without_images_cost_nothing(scenario):
    trace = sl.Trace(gain=[1e-10] * 4, availability=[0.5] * 4, arrivals=[0, 3, 0, 0])
    history = history_of(scenario, trace)
    assert (history.delay[[0, 2, 3]] == 0).all()
    assert (history.energy[[0, 2, 3]] == 0).all()
    assert history.delay[1] > 0
    idle = sl.simulate(scenario, sl.Trace([1e-10], [0.5], [0]), burn_in=0)
    assert np.isnan(idle.energy_saving)
    assert (idle.mean_delay, idle.mean_energy, idle.split_histogram.sum()) == (0, 0, 1)


def test_without_gain_only_full_local_inference_is_possible(scenario):
    trace = sl.Trace(gain=[0.0] * 3, availability=[1.0] * 3, arrivals=[5] * 3)
    for policy in ("adaptive", "exact"):
        assert (history_of(scenario, trace, policy=policy).split == 19).all()
    forced = history_of(scenario, trace, policy="full_offloading")
    assert (forced.split == 0).all()
    assert (forced.delay > 1e100).all()


def test_rate_at_tiny_gain_in_closed_form(scenario):
    """At a tiny SNR the rate is p h / (N0 ln 2), here less than one bit per second."""
    trace = sl.Trace(gain=[1e-20], availability=[1.0], arrivals=[5])
    rate = 0.1 * 1e-20 / (scenario.noise_psd * np.log(2))
    history = history_of(scenario, trace, policy="full_offloading")
    assert history.rate[0] == pytest.approx(rate)
    assert history.delay[0] == pytest.approx(5 * 224 * 224 * 3 * 32 / rate)
    assert rate < 1


@pytest.mark.parametrize(("changes", "share"), [
    ({"p_min": 0.1, "p_max": 0.1}, 0.0),
    ({"p_min": 1e-12, "p_max": 1e12, "d_avg": 1e-4}, 1.0),
])  # fmt: skip
def test_rates_that_are_always_or_never_at_a_limit(changes, share):
    scenario = sl.Scenario(**changes)
    trace = trace_of(scenario)
    result = sl.simulate(scenario, trace, V=1e-3, burn_in=0, history=True)
    history = result.history
    sent = (history.rate > 0) & (history.Z > 0)
    assert sent.sum() > 20
    link = scenario.bandwidth, scenario.noise_psd
    power = sl.channel.power(history.rate[sent], trace.gain[sent], *link)
    inside = (power > scenario.p_min * (1 + 1e-6)) & (power < scenario.p_max * (1 - 1e-6))
    assert inside.mean() == share
    assert (result.rate_inside_slots > 0) == (share > 0)
    assert inside.sum() <= result.rate_inside_slots <= result.sending_slots
    twin = sl.channel.optimal_rate(
        1e-3,
        history.Z[sent] + history.H[sent] / scenario.d_max,
        trace.gain[sent],
        *link,
        sl.channel.rate(scenario.p_min, trace.gain[sent], *link),
        sl.channel.rate(scenario.p_max, trace.gain[sent], *link),
    )
    np.testing.assert_allclose(history.rate[sent], twin, rtol=1e-10)


@pytest.mark.parametrize(("policy", "d_max"), [
    ("adaptive", 0.1), ("dads", 3e-4), ("myopic", 3e-4),
])  # fmt: skip
def test_ties_go_to_the_smallest_splitting_point(policy, d_max):
    """The splitting points after two pooling stages have equal costs."""
    pool = sl.Stage("pool", (sl.GlobalAveragePool(),))
    end = sl.Stage("end", (sl.Linear(3, 10_000), sl.Linear(10_000, 10_000)))
    network = sl.Network("n", (3, 64, 64), (pool, pool, end))
    scenario = sl.Scenario(network=network, d_max=d_max)
    history = history_of(scenario, trace_of(scenario), policy=policy)
    assert set(history.split) <= {0, 1, 3}
    assert 1 in history.split


def test_numbers_of_the_paper(scenario):
    """Run Section IV at full length for one seed; tolerances cover the spread over seeds."""
    scarce = dataclasses.replace(scenario, alpha_max=0.1)
    trace = sl.draw_trace(scarce, rng=1)
    adaptive = sl.simulate(scarce, trace, V=3.0)
    offloading = sl.simulate(scarce, trace, policy="full_offloading")
    assert adaptive.energy_saving == pytest.approx(0.872, abs=0.003)
    assert adaptive.mean_delay == pytest.approx(scarce.d_avg, rel=1e-3)
    assert adaptive.outage <= scarce.epsilon
    assert 0.98 < offloading.energy_saving < 0.995
    assert offloading.outage > 10 * scarce.epsilon


def test_a_run_needs_no_memory_beyond_the_trace(scenario):
    peaks = []
    for n_slots in (20_000, 200_000):
        trace = trace_of(scenario, n_slots)
        sl.simulate(scenario, trace)
        tracemalloc.start()
        sl.simulate(scenario, trace)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 10_000


GRID = {"V": [0.1, 1.0], "alpha_max": [0.1, 1.0], "path_loss_exponent": [3.0, 4.0]}
SHORT = {"n_slots": 12_000, "burn_in": 2_000, "progress": False}


@pytest.fixture(scope="module")
def data():
    """Return a small sweep."""
    return sl.sweep(sl.Scenario(), **GRID, seeds=3, **SHORT)


def test_sweep_agrees_with_single_runs(data, scenario):
    point = dataclasses.replace(scenario, alpha_max=0.1, path_loss_exponent=4.0)
    trace = sl.draw_trace(point, 12_000, rng=sl.trace_rng(point, 2))
    single = sl.simulate(point, trace, V=1.0, burn_in=2_000)
    cell = data.sel(V=1.0, alpha_max=0.1, path_loss_exponent=4.0, seed=2)
    for name in ("mean_delay", "outage", "mean_energy", "energy_saving", "mean_split", "std_split"):
        assert cell[name] == getattr(single, name), name
    assert np.array_equal(cell.split_histogram, single.split_histogram)
    assert (cell.mean_Z, cell.mean_H) == tuple(single.mean_queues)
    assert (cell.Z_growth, cell.H_growth) == tuple(single.queue_growth)


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_workers_and_order_change_nothing(data, scenario, n_jobs):
    back = {name: values[::-1] for name, values in GRID.items()}
    again = sl.sweep(scenario, **back, seeds=[2, 0, 1], n_jobs=n_jobs, **SHORT)
    xr.testing.assert_identical(again.sortby([*GRID, "seed"]), data)


def test_a_larger_grid_does_not_change_its_points(data, scenario):
    point = sl.sweep(scenario, V=1.0, alpha_max=0.1, path_loss_exponent=3.0, seeds=[1], **SHORT)
    xr.testing.assert_identical(point, data.sel({name: point[name] for name in [*GRID, "seed"]}))


@pytest.mark.filterwarnings("ignore")
def test_sweep_on_a_dask_cluster(data, scenario):
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        xr.testing.assert_identical(sl.sweep(scenario, **GRID, seeds=3, **SHORT), data)


def test_sweep_is_labelled_with_units(data):
    assert data.mean_delay.dims == ("V", "alpha_max", "path_loss_exponent", "seed")
    assert data.split_histogram.sizes["split"] == 20
    assert all({"units", "long_name"} <= set(data[name].attrs) for name in data.variables)
    assert data.attrs == {"policy": "adaptive", "n_slots": 12_000, "burn_in": 2_000}


def test_every_v_and_policy_runs_on_the_same_slots(scenario):
    for policy in ("full_local", "full_offloading"):
        two = sl.sweep(scenario, V=[0.1, 9.0], seeds=1, policy=policy, **SHORT)
        assert np.array_equal(*two.mean_energy.values)


def test_streams_of_cells_differ_and_can_be_repeated(scenario):
    others = [
        (scenario, 1),
        (dataclasses.replace(scenario, alpha_max=0.5), 0),
        (dataclasses.replace(scenario, path_loss_exponent=4.0), 0),
    ]
    first = sl.trace_rng(scenario, 0).random(4)
    assert np.array_equal(first, sl.trace_rng(scenario, 0).random(4))
    assert all(not np.array_equal(first, sl.trace_rng(*other).random(4)) for other in others)


def test_settled_depends_on_the_growth_of_both_queues(scenario):
    growth = xr.Dataset({
        "Z_growth": (("V", "seed"), [[0, 1e-5], [2e-4, 0], [0, 0]]),
        "H_growth": (("V", "seed"), [[0, 0], [0, 0], [3e-5, 0]]),
    }, attrs={"n_slots": 200_000, "burn_in": 0})  # fmt: skip
    assert sl.settled(growth, scenario).values.tolist() == [True, False, False]
    assert sl.settled(growth, scenario, tolerance=0.01).values.tolist() == [True, True, True]
    assert kernel.have_settled(1e-3 * 0.05, 1e-3 * 0.01, 200_000, 0.05, 0.1, 0.01, 1e-3)
    assert kernel.have_settled(0.0, 1 / 900, 900, 0.05, 0.1, 0.01, 1e-3)
    assert not kernel.have_settled(0.0, 1.01 / 900, 900, 0.05, 0.1, 0.01, 1e-3)
    short = growth.assign_attrs(n_slots=900)
    assert sl.settled(short, scenario).values.tolist() == [True, True, True]
    shorter = growth.assign_attrs(n_slots=200_000, burn_in=199_100)
    assert sl.settled(shorter, scenario).values.tolist() == [True, True, True]


def test_summary_has_a_row_for_each_point(data):
    table = sl.summary(data)
    assert len(table) == 8
    row = table.loc[(1.0, 0.1, 3.0)]
    values = data.outage.sel(V=1.0, alpha_max=0.1, path_loss_exponent=3.0)
    assert row.outage == pytest.approx(float(values.mean()))
    assert row.outage_lower < row.outage < row.outage_upper


@pytest.mark.parametrize("function", [sl.simulate, sl.sweep, sl.sweep_scenarios])
def test_default_arguments_follow_the_paper(function):
    expected = {"V": 3.0, "n_slots": 200_000, "burn_in": 10_000, "seeds": 10, "progress": True}
    parameters = inspect.signature(function).parameters
    assert all(parameters[name].default == expected[name] for name in parameters.keys() & expected)


@pytest.mark.parametrize("progress", [True, False])
def test_progress_bar_appears_after_a_second_if_requested(scenario, monkeypatch, progress):
    shown = {}

    def bar(runs, **options):
        shown.update(options)
        return runs

    monkeypatch.setattr(sys.modules["splitlib.grid"], "tqdm", bar)
    sl.sweep(scenario, seeds=2, n_slots=50, burn_in=0, progress=progress)
    assert (shown["total"], shown["delay"]) == (2, 1)
    assert shown.get("disable", False) == (not progress)


SETTINGS = st.fixed_dictionaries({}, optional={
    "alpha_max": st.floats(0.01, 1), "path_loss_exponent": st.floats(2, 5),
    "p_max": st.floats(0.01, 10), "arrival_rate": st.floats(0, 20), "d_max": st.floats(0.01, 0.2),
    "epsilon": st.floats(0, 0.1), "local_energy_per": st.sampled_from(["image", "slot"]),
    "split_objective": st.sampled_from(["step", "surrogate"]),
})  # fmt: skip


@given(
    changes=SETTINGS,
    weights=st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=9),
    policy=st.sampled_from([name for name in sl.POLICIES if name != "clairvoyant"]),
    seed=st.integers(0, 1000),
    n_slots=st.integers(2, 300),
)
def test_several_v_side_by_side_agree_with_single_runs(changes, weights, policy, seed, n_slots):
    """They agree to the last bit, with and without virtual queues."""
    scenario = sl.Scenario(**changes)
    trace = sl.draw_trace(scenario, n_slots, rng=seed)
    together = simulate_each(scenario, trace, weights, policy, n_slots // 3, history=True)
    for V, one in zip(weights, together, strict=True):
        alone = sl.simulate(scenario, trace, V=V, policy=policy, burn_in=n_slots // 3, history=True)
        for field in dataclasses.fields(sl.Result):
            ours, single = (getattr(result, field.name) for result in (one, alone))
            if field.name == "history":
                assert all(map(np.array_equal, ours, single))
            else:
                assert np.array_equal(ours, single), field.name


@pytest.mark.parametrize("per", ["image", "slot"])
def test_slot_costs_agree_with_the_straightforward_loop(per):
    scenario = sl.Scenario(alpha_max=0.1, local_energy_per=per)
    trace = trace_of(scenario, 300)
    first = slot_loop(scenario, trace, 0.3)
    taken = np.arange(300), first["split"].astype(int)
    rate = np.where(first["rate"] > 0, first["rate"], 1e9)
    for shape in (rate, np.repeat(rate[:, None], 20, axis=1)):
        delay, energy = sl.slot_costs(scenario, trace, shape)
        np.testing.assert_allclose(delay[taken], first["delay"], rtol=1e-12)
        np.testing.assert_allclose(energy[taken], first["energy"], rtol=1e-12)


def test_slot_costs_at_one_rate_and_at_zero_gain(scenario):
    trace = sl.Trace([1e-10, 1e-10, 0.0], [0.5] * 3, [3, 0, 3])
    delay, energy = sl.slot_costs(scenario, trace, 1e8)
    assert delay[0, 0] == pytest.approx(3 * (4816896 / 1e8 + 2 * 300_774_272 / 0.5 / 21e12))
    assert not delay[1].any()
    assert not energy[1].any()
    for rate in (1e8, 0.0):  # at gain 0 no rate is possible
        delay, energy = sl.slot_costs(scenario, trace, [1e8, 1e8, rate])
        assert (energy[2, :-1] > 1e100).all()
        assert energy[2, -1] == 3 * scenario.profile.local_energy[-1]
    assert (delay[2, :-1] > 1e100).all()
    with pytest.raises(ValueError, match=r"rate must have the shape \(\), \(3,\) or \(3, 20\)"):
        sl.slot_costs(scenario, trace, [1e8, 1e8])


def test_alpha_min_may_equal_alpha_max():
    scenario = sl.Scenario(alpha_min=0.1)
    data = sl.sweep(scenario, alpha_max=0.1, seeds=1, n_slots=50, burn_in=0)
    assert float(data.mean_delay[0, 0, 0, 0]) > 0


def test_no_history_unless_requested(scenario):
    assert sl.simulate(scenario, TRACE, burn_in=0).history is None


TRACE = sl.Trace([1e-10] * 5, [0.5] * 5, [3] * 5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda s: sl.simulate(s, TRACE, V=0.0, burn_in=0), r"V must be a finite number in \(0, inf\)"),
    (lambda s: sl.simulate(s, TRACE, V=np.nan, burn_in=0), "V must be a finite number.*nan"),
    (lambda s: sl.simulate(s, TRACE, burn_in=5), "burn_in must be less than the 5 slots, got 5"),
    (lambda s: sl.simulate(s, TRACE, burn_in=-1), "burn_in must be an integer of at least 0"),
    (lambda s: sl.simulate(s, TRACE, burn_in=0, policy="adaptative"),
     r"policy must be one of 'adaptive', .*'adaptative' \(did you mean 'adaptive'\?\)"),
    (lambda s: sl.sweep(s, V=[]), "V must be a non-empty sequence"),
    (lambda s: sl.sweep(s, V=[[1.0, 2.0]]), "V must be a non-empty sequence"),
    (lambda s: sl.sweep(s, V=[1.0, -1.0]), "V must be finite and in .*-1.0 at index 1"),
    (lambda s: sl.sweep(s, V=[1.0, 1.0]), "V must not hold a value twice"),
    (lambda s: sl.sweep(s, alpha_max=[0.5, 1.5]), r"alpha_max must be finite and in \(0, 1\]"),
    (lambda s: sl.sweep(s, path_loss_exponent=-1), "path_loss_exponent must be finite"),
    (lambda s: sl.sweep(s, seeds=0), "seeds must be an integer of at least 1, got 0"),
    (lambda s: sl.sweep(s, seeds=[-1]), "seeds must be an integer of at least 0, got -1"),
    (lambda s: sl.sweep(s, seeds=[]), "seeds must hold at least one value and none twice"),
    (lambda s: sl.sweep(s, seeds=[1, 1]), r"none twice, got \[1, 1\]"),
    (lambda s: sl.sweep(s, n_jobs=-2), r"n_jobs \(other than -1\) must be an integer of at"),
    (lambda s: sl.sweep(s, n_jobs=0), r"n_jobs \(other than -1\) must be an integer of at least 1"),
    (lambda s: sl.settled(xr.Dataset(), s), r"data must come from splitlib.sweep, got one without"),
    (lambda s: sl.summary(xr.Dataset()), r"data must come from splitlib.sweep, got one without"),
    (lambda s: sl.simulate(s, TRACE, burn_in=0, policy=np.array(["adaptive"])), "policy must be"),
    (lambda s: sl.simulate(s, TRACE, burn_in=0, policy="zzz"), "did you mean"),
    (lambda s: sl.sweep(s, n_slots=2e5), "n_slots must be an integer of at least 1, got 200000.0"),
    (lambda s: sl.sweep(s, n_slots=100), "burn_in must be less than the 100 slots, got 10000"),
    (lambda s: sl.sweep(s, policy="local"), "policy must be one of.*did you mean 'full_local'"),
    (lambda s: sl.trace_rng(s, -1), "seed must be an integer of at least 0, got -1"),
])  # fmt: skip
def test_bad_input_is_refused(scenario, call, message):
    with pytest.raises(ValueError, match=message):
        call(scenario)


@pytest.mark.parametrize(("call", "message"), [
    (lambda s: sl.simulate("paper", TRACE), "scenario must be a Scenario, got 'paper'"),
    (lambda s: sl.simulate(s, [1e-10]), "trace must be a Trace"),
    (lambda s: sl.simulate(s, TRACE, V="3", burn_in=0), "V must be a real number.*got '3'"),
    (lambda s: sl.simulate(s, TRACE, V=True, burn_in=0), "V must be a real number.*got True"),
    (lambda s: sl.simulate(s, TRACE, burn_in=0, history="no"), "history must be True or False"),
    (lambda s: sl.simulate(s, np.ones((300, 3))), r"trace must be a Trace, got [^\n]{1,120}$"),
    (lambda s: sl.sweep("paper"), "scenario must be a Scenario"),
    (lambda s: sl.settled("data", s), "data must be a Dataset"),
])  # fmt: skip
def test_wrong_types_are_refused(scenario, call, message):
    with pytest.raises(TypeError, match=message):
        call(scenario)


@pytest.mark.parametrize("seeds", [(3, 5), np.array([3, 5])])
def test_seeds_may_be_any_sequence(scenario, seeds):
    data = sl.sweep(scenario, seeds=seeds, n_slots=50, burn_in=0)
    assert data.seed.values.tolist() == [3, 5]


@pytest.mark.parametrize("V", [1e-3, 0.1, 3.0, 100.0])
@pytest.mark.parametrize("alpha_max", [0.01, 1.0])
def test_deterministic_bounds_on_the_queues(alpha_max, V):
    """Check the proposition in the chapter on the controller, in every slot."""
    scenario = sl.Scenario(alpha_max=alpha_max)
    trace = trace_of(scenario, 50_000)
    history = history_of(scenario, trace, V)
    most = trace.arrivals.max()
    time = most * scenario.device.delay(scenario.profile.local_flops[-1])
    energy = V * most * scenario.profile.local_energy[-1]
    assert time < scenario.d_avg
    assert history.H.max() <= energy + 1 - scenario.epsilon
    high = history.Z[:-1] >= energy / (scenario.d_avg - time)
    assert (np.diff(history.Z)[high] <= 0).all()
    owing = (history.Z > 0) & (trace.arrivals > 0)
    image = scenario.device.delay(scenario.profile.local_flops[-1])
    limit = image + V * scenario.profile.local_energy[-1] / history.Z[owing]
    assert (history.delay[owing] <= trace.arrivals[owing] * limit * (1 + 1e-9)).all()
