"""Quantities measured for the claims, against single runs and closed forms."""

import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import splitlib as sl
from reproduction import measures


def single(V, alpha_max, seed, policy="adaptive", exponent=3.0):
    """Return one run of a sweep."""
    scenario = sl.Scenario(alpha_max=alpha_max, path_loss_exponent=exponent)
    trace = sl.draw_trace(scenario, 12_000, rng=sl.trace_rng(scenario, seed))
    return sl.simulate(scenario, trace, V=V, policy=policy, burn_in=2_000)


def test_inputs_have_the_papers_units():
    found = {name: value.value for name, value in measures.of_inputs(sl.Scenario()).items()}
    assert found["input_noise_psd_dbm_hz"] == pytest.approx(-174)
    assert (found["input_distance_m"], found["input_p_max_mw"]) == (50, 100)
    assert found["input_path_gain_db"] == pytest.approx(
        20 * np.log10(299_792_458 / (4 * np.pi * 3.5e9)) - 30 * np.log10(50)
    )


def test_costs_by_hand():
    found = {name: value.value for name, value in measures.of_costs(sl.Scenario()).items()}
    assert (found["convolutional_layers"], found["splitting_points"]) == (52, 20)
    assert found["total_macs_millions"] == 300.774272
    assert found["size_ratio"] == pytest.approx(112 * 112 * 32 / (7 * 7 * 160))
    # For 7 by 7 maps, (6) as printed counts 6 by 6.
    assert found["eq6_error_percent"] == pytest.approx(100 * (1 - (6 / 7) ** 2))
    printed = sl.Scenario(network=sl.mobilenet_v2(arithmetic="paper"))
    again = {name: value.value for name, value in measures.of_costs(printed).items()}
    assert again["eq6_error_percent"] == found["eq6_error_percent"]
    assert again["total_macs_millions"] != found["total_macs_millions"]


def test_tradeoff_agrees_with_single_runs(sweeps):
    found = measures.of_tradeoff(*sweeps, sl.Scenario(), V=0.1)
    assert measures.largest_settled(sweeps[0], sl.Scenario()) == 0.1
    runs = [single(0.1, 0.1, seed) for seed in range(3)]
    saving = [100 * result.energy_saving for result in runs]
    interval = stats.ttest_1samp(saving, 0).confidence_interval(0.95)
    assert found["saving_alpha_0_1"] == pytest.approx((np.mean(saving), *interval))
    sent = [single(1.0, 0.1, seed, "full_offloading") for seed in range(3)]
    lead = [100 * s.energy_saving - own for s, own in zip(sent, saving, strict=True)]
    assert found["offloading_lead_alpha_0_1"].value == pytest.approx(np.mean(lead))
    outage = np.mean([100 * s.outage for s in sent])
    assert found["offloading_outage_alpha_0_1"].value == pytest.approx(outage)
    before = np.mean([100 * single(0.01, 0.1, seed).energy_saving for seed in range(3)])
    step = found["saving_last_step_alpha_0_1"].value
    assert step == pytest.approx(np.mean(saving) - before)
    all_sent = sent + [single(1.0, 1.0, seed, "full_offloading") for seed in range(3)]
    share = np.mean([s.energy_saving < 0.9935 for s in all_sent])
    assert found["offloading_saving_rank"].value == share
    assert found["saving_gained_0_1_to_1"].value > 0
    assert found["saving_rises_with_V"].value == 1


def test_splits_agree_with_single_runs():
    run = {"seeds": 3, "n_slots": 12_000, "burn_in": 2_000, "progress": False}
    data = sl.sweep(sl.Scenario(), V=0.1, alpha_max=[0.1, 0.01, 1.0],
                    path_loss_exponent=[4.0, 3.0], **run)  # fmt: skip
    found = measures.of_splits(data)
    scarce = [single(0.1, 0.01, seed) for seed in range(3)]
    plenty = [single(0.1, 1.0, seed) for seed in range(3)]
    far = [single(0.1, 1.0, seed, exponent=4.0) for seed in range(3)]
    assert found["split_scarce_beta_3"].value == pytest.approx(mean(scarce, "mean_split"))
    assert found["std_plenty_beta_3"].value == pytest.approx(mean(plenty, "std_split"))
    rise = mean(far, "mean_split") - mean(plenty, "mean_split")
    assert found["split_rise_plenty_3_to_4"].value == pytest.approx(rise)
    local = np.mean([r.split_histogram[19] / 10_000 for r in scarce])
    assert found["local_scarce_beta_3"].value == pytest.approx(100 * local)
    lost = mean(plenty, "energy_saving") - mean(scarce, "energy_saving")
    assert found["saving_lost_beta_3"].value == pytest.approx(100 * lost)
    assert found["split_falls_beta_3"].value == 1
    assert found["local_most_beta_3"].value >= found["local_scarce_beta_3"].value


def mean(results, name):
    return np.mean([getattr(result, name) for result in results])


def test_shares_of_runs_have_exact_intervals():
    found = measures.share_of_runs([True] * 10)
    assert (found.value, found.upper) == (1, 1)
    assert found.lower == pytest.approx(0.025 ** (1 / 10))


def test_runs_that_break_a_limit_are_counted(sweeps):
    adaptive, offloading = sweeps
    broken = adaptive.copy(deep=True)
    broken.mean_delay[{"V": 0, "alpha_max": 0, "path_loss_exponent": 0, "seed": 0}] = 0.06
    args = offloading, sl.Scenario(), 0.1
    before = measures.of_tradeoff(adaptive, *args)["traces_within_limits"].value
    after = measures.of_tradeoff(broken, *args)["traces_within_limits"].value
    assert before - after == pytest.approx(1 / 6)
    late = measures.of_tradeoff(adaptive, *args)
    assert late["delay_points_within"].value == pytest.approx(2 / 3)
    assert late["delay_ratio_largest_V"].value > 1.001 > late["delay_ratio"].value


def test_an_unknown_v_is_refused(sweeps):
    with pytest.raises(
        ValueError, match=r"V must be one of the sweep's \[0.1, 0.01, 100.0\], got 3"
    ):
        measures.of_tradeoff(*sweeps, sl.Scenario())


def test_an_error_tells_that_no_v_has_settled(sweeps):
    with pytest.raises(ValueError, match="no V has settled: take more slots or smaller values"):
        measures.largest_settled(sweeps[0].sel(V=[100.0]), sl.Scenario())


def test_over_seeds_requires_a_single_point():
    with pytest.raises(ValueError, match="data must have no dimension but seed that is longer"):
        sl.over_seeds(xr.DataArray(np.ones((2, 3)), dims=("x", "seed")))


def test_sweep_scenarios_agrees_with_single_sweeps(scenario):
    readings = {
        "paper": scenario,
        "surrogate": dataclasses.replace(scenario, split_objective="surrogate"),
        "loud": dataclasses.replace(scenario, fading_power=2.0, path_loss="distance"),
        "floor": dataclasses.replace(scenario, alpha_min=0.05),
    }
    grid = {"alpha_max": [0.1, 1.0], "seeds": 2, "n_slots": 3_000, "burn_in": 100}
    together = sl.sweep_scenarios(readings, V={name: [0.1 + i] for i, name in enumerate(readings)},
                                  progress=False, **grid)  # fmt: skip
    for index, (name, reading) in enumerate(readings.items()):
        alone = sl.sweep(reading, V=[0.1 + index], progress=False, **grid)
        assert alone.identical(together[name]), name


@pytest.mark.parametrize(("call", "message"), [
    (lambda s: sl.sweep_scenarios({}), "scenarios must hold at least one scenario, got none"),
    (lambda s: sl.sweep_scenarios({"a": s, "b": sl.Scenario(arrival_rate=1)}),
     r"arrival_rate must be the same in all scenarios, got \[10.0, 1\]"),
    (lambda s: sl.sweep_scenarios({"a": s, "b": sl.Scenario(alpha_max=0.5)}), "alpha_max must be"),
    (lambda s: sl.sweep_scenarios({"a": s, "b": sl.Scenario(path_loss_exponent=4.0)}),
     r"path_loss_exponent must be the same in all scenarios, got \[3.0, 4.0\]"),
    (lambda s: sl.sweep_scenarios({"a": s}, V={"b": 1.0}), "V must have the names of scenarios"),
    (lambda s: sl.sweep_scenarios({"a": s}, V=-1.0), "V must be finite"),
    (lambda s: sl.sweep_scenarios({"a": s, "b": sl.Scenario(alpha_min=0.3)}, alpha_max=[0.1, 1.0]),
     "alpha_max must be at least alpha_min = 0.3 of the scenario 'b', got 0.1"),
])  # fmt: skip
def test_bad_scenarios_are_refused(scenario, call, message):
    with pytest.raises(ValueError, match=message):
        call(scenario)


def test_scenarios_may_differ_in_fields_that_the_grid_varies(scenario):
    other = dataclasses.replace(scenario, alpha_max=0.5, path_loss_exponent=4.0)
    grid = {"alpha_max": 0.1, "path_loss_exponent": 3.0, "seeds": 1, "n_slots": 50, "burn_in": 0}
    both = sl.sweep_scenarios({"a": scenario, "b": other}, **grid)
    assert both["a"].identical(both["b"])


def test_sweep_scenarios_requires_scenarios():
    with pytest.raises(TypeError, match=r"scenarios\['a'\] must be a Scenario, got 3"):
        sl.sweep_scenarios({"a": 3})
    with pytest.raises(TypeError, match="scenarios must be a Mapping"):
        sl.sweep_scenarios([sl.Scenario()])


def test_equal_neighbours_do_not_count_as_rising():
    assert measures._rises(xr.DataArray([1.0, 1.0, 2.0], dims="V"), "V") == 0.5
    assert np.isnan(measures._rises(xr.DataArray([1.0], dims="V"), "V"))
