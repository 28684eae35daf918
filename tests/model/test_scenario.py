"""Scenarios and traces: the paper's values, the distributions drawn, and refused input."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

import splitlib as sl


def test_defaults_follow_section_iv(scenario):
    expected = {
        "alpha_max": 1, "path_loss_exponent": 3, "distance": 50, "carrier_frequency": 3.5e9,
        "bandwidth": 200e6, "p_min": 0.01, "p_max": 0.1, "arrival_rate": 10, "d_avg": 0.05,
        "d_max": 0.1, "epsilon": 0.01, "bits_per_element": 32,
    }  # fmt: skip
    assert {name: getattr(scenario, name) for name in expected} == expected
    assert 10 * np.log10(scenario.noise_psd / 1e-3) == pytest.approx(-174)
    assert (scenario.device.flops_per_second, scenario.host.flops_per_second) == (1.3e12, 21e12)
    assert (scenario.device.a, scenario.device.b) == (2.6727e-8, 1.21334e-10)
    assert scenario.device.a_prime == 6.2454e-9


def test_profile_of_a_network_by_hand():
    stages = (sl.Stage("a", (sl.Conv2d(3, 4, 1),)), sl.Stage("b", (sl.Linear(256, 10),)))
    network = sl.Network("n", (3, 8, 8), stages)
    board = sl.Board("b", 1e9, a=8.0, b=0.5, a_prime=3.0)
    profile = sl.Scenario(network=network, device=board, bits_per_element=8).profile
    assert profile.local_flops.tolist() == [0, 1536, 1536 + 5120]
    assert profile.remote_flops.tolist() == [1536 + 5120, 5120, 0]
    assert profile.offload_bits.tolist() == [192 * 8, 256 * 8, 0]
    assert profile.local_energy.tolist() == [0, 768 * 2.5, 768 * 2.5 + 2560 * 3]


def test_other_readings_of_the_paper_by_hand():
    """Check each field against its formula; the same seed gives the same draws."""
    paper = sl.Scenario()
    first_metre = 299_792_458 / (4 * np.pi * 3.5e9)
    gains = {
        "close_in": first_metre**2 / 50**3,
        "friis": (first_metre / 50) ** 3,
        "distance": 50**-3,
    }
    for name, gain in gains.items():
        assert sl.Scenario(path_loss=name).path_gain == pytest.approx(gain, rel=1e-12, abs=0)
    louder = sl.Scenario(fading_power=2.0, alpha_min=0.3)
    assert louder.mean_gain == 2 * paper.path_gain == 2 * louder.path_gain
    for draw in (sl.draw_trace, sl.page_trace):
        trace, other = (draw(scenario, 1000, 3) for scenario in (paper, louder))
        np.testing.assert_allclose(other.gain, 2 * trace.gain)
        assert np.array_equal(other.availability, np.maximum(0.3, trace.availability))
        assert np.array_equal(other.arrivals, trace.arrivals)
    bits = sl.Scenario(raw_bits_per_element=8).profile.offload_bits
    assert bits[0] == 3 * 224 * 224 * 8
    assert np.array_equal(bits[1:], paper.profile.offload_bits[1:])
    flops = sl.Scenario(flops_per_mac=1).profile.local_flops
    assert np.array_equal(flops, paper.profile.local_flops / 2)


def test_scenarios_compare_by_value(scenario):
    assert sl.Scenario() == scenario
    nearer = dataclasses.replace(scenario, distance=20.0)
    assert nearer.path_gain / scenario.path_gain == pytest.approx(2.5**3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenario.distance = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenario.profile.local_flops = np.zeros(20)
    assert len({scenario.profile, sl.Scenario().profile}) == 2, "profiles are told by identity"
    with pytest.raises(TypeError, match="positional"):
        sl.Scenario(sl.mobilenet_v2())


def test_lower_and_upper_limit_may_be_equal():
    scenario = sl.Scenario(p_min=0.1, p_max=0.1, alpha_min=0.5, alpha_max=0.5)
    assert set(sl.draw_trace(scenario, 20, rng=0).availability) == {0.5}


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", ["distance", "carrier_frequency", "bandwidth", "noise_psd",
                                  "p_min", "p_max", "d_avg", "d_max"])  # fmt: skip
def test_physical_quantities_are_finite_and_positive(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number in \(0, inf\), got"):
        sl.Scenario(**{name: value})


@pytest.mark.parametrize(("fields", "error", "message"), [
    ({"alpha_max": 1.5}, ValueError, r"alpha_max must be a finite number in \(0, 1\], got 1.5"),
    ({"alpha_max": 0}, ValueError, r"alpha_max must be a finite number in \(0, 1\], got 0"),
    ({"epsilon": 1.0}, ValueError, r"epsilon must be a finite number in \[0, 1\), got 1.0"),
    ({"epsilon": -0.1}, ValueError, "epsilon must be"),
    ({"p_min": 0.2}, ValueError, "p_min must not exceed p_max = 0.1, got 0.2"),
    ({"arrival_rate": -1}, ValueError, r"arrival_rate must be a finite number in \[0, 1e9\]"),
    ({"path_loss_exponent": -1}, ValueError, "path_loss_exponent must be"),
    ({"bits_per_element": 0}, ValueError, "bits_per_element must be an integer of at least 1"),
    ({"bits_per_element": 7.5}, ValueError, "bits_per_element must be an integer"),
    ({"device": sl.XAVIER_NX}, ValueError, "device must be a board with the energy constants"),
    ({"distance": "50"}, TypeError, "distance must be a real number.*got '50'"),
    ({"network": "MobileNetV2"}, TypeError, "network must be a Network, got 'MobileNetV2'"),
    ({"host": 21e12}, TypeError, "host must be a Board"),
    ({"distance": 1e-300}, ValueError, "must give a path gain that a float can hold, got 1e-300"),
    ({"path_loss_exponent": 500}, ValueError, "must give a path gain that a float can hold"),
    ({"path_loss": "closein"}, ValueError, r"path_loss must be one of 'close_in'.*mean 'close_in'"),
    ({"fading_power": 0}, ValueError, r"fading_power must be a finite number in \(0, inf\), got 0"),
    ({"alpha_min": 0.5, "alpha_max": 0.1}, ValueError, "alpha_min must not exceed alpha_max = 0.1"),
    ({"alpha_min": -0.1}, ValueError, r"alpha_min must be a finite number in \[0, 1\]"),
    ({"local_energy_per": "batch"}, ValueError, "local_energy_per must be one of 'image', 'slot'"),
    ({"raw_bits_per_element": 0}, ValueError, "raw_bits_per_element must be an integer of at l"),
    ({"flops_per_mac": 0}, ValueError, "flops_per_mac must be an integer of at least 1, got 0"),
    ({"split_objective": "true"}, ValueError, "split_objective must be one of 'step', 'surrogate'"),
    ({"alphamax": 0.5}, TypeError, r"no field 'alphamax' \(did you mean 'alpha_max'\?\)"),
])  # fmt: skip
def test_bad_fields_are_refused(fields, error, message, scenario):
    with pytest.raises(error, match=message):
        sl.Scenario(**fields)
    with pytest.raises(error, match=message):
        dataclasses.replace(scenario, **fields)


def test_traces_have_the_distributions_of_the_paper():
    scenario = sl.Scenario(alpha_max=0.4)
    trace = sl.draw_trace(scenario, 100_000, rng=5)
    fading = trace.gain / ((299_792_458 / (4 * np.pi * 3.5e9)) ** 2 * 50.0**-3)
    assert stats.kstest(fading, "expon").pvalue > 1e-3
    assert stats.kstest(trace.availability, stats.uniform(0, 0.4).cdf).pvalue > 1e-3
    counts = np.bincount(trace.arrivals, minlength=40)
    expected = 100_000 * stats.poisson.pmf(np.arange(counts.size), 10)
    frequent = expected > 5
    chi2 = np.sum((counts[frequent] - expected[frequent]) ** 2 / expected[frequent])
    assert stats.chi2.sf(chi2, frequent.sum() - 1) > 1e-3
    pairs = np.corrcoef([fading, trace.availability, trace.arrivals])
    assert np.abs(pairs - np.eye(3)).max() < 0.02
    lagged = np.corrcoef(fading[1:], fading[:-1])[0, 1]
    assert abs(lagged) < 0.02


def test_randomness_follows_spec_7(scenario):
    first = sl.draw_trace(scenario, 50, rng=3)
    same = sl.draw_trace(scenario, 50, rng=np.random.default_rng(3))
    assert np.array_equal(first.gain, same.gain)
    assert np.array_equal(first.arrivals, same.arrivals)
    unseeded = [sl.draw_trace(scenario, 50, rng=None).gain for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_traces_are_read_only_copies_of_their_input():
    gain = np.array([1e-10, 2e-10])
    trace = sl.Trace(gain=gain, availability=[1.0, 0.5], arrivals=[1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        trace.gain[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.gain = gain
    assert len({trace, sl.Trace(trace.gain, trace.availability, trace.arrivals)}) == 2
    gain[0] = 3e-10
    assert trace.gain[0] == 1e-10
    assert trace.arrivals.dtype == np.int64
    assert sl.draw_trace(sl.Scenario(arrival_rate=0), 5, rng=0).arrivals.tolist() == [0] * 5


GOOD = {"gain": [1e-10, 1e-10], "availability": [0.5, 1.0], "arrivals": [3, 0]}


@pytest.mark.parametrize(("bad", "message"), [
    ({"gain": [1e-10, -1e-10]}, r"gain must be finite and in \[0, inf\), got -1e-10 at index 1"),
    ({"gain": [np.nan, 1.0]}, "gain must be finite.*nan at index 0"),
    ({"gain": [[1e-10, 1e-10]]}, r"gain must be a non-empty array of shape \(n_slots,\)"),
    ({"gain": []}, "gain must be a non-empty array"),
    ({"gain": 1e-10}, r"gain must be a non-empty array of .*, got shape \(\)"),
    ({"availability": [0.5]}, r"availability must have the shape \(2,\) of gain, got shape \(1,\)"),
    ({"availability": [0.0, 1.0]}, r"availability must be finite and in \(0, 1\], got 0.0"),
    ({"availability": [0.5, 1.1]}, "availability must be finite.*1.1 at index 1"),
    ({"arrivals": [3, -1]}, r"arrivals must be finite and in \[0, 1000000000000\], got -1.0"),
    ({"arrivals": [3, 1.5]}, "arrivals must be whole numbers, got 1.5 at index 1"),
    ({"arrivals": [3, np.inf]}, "arrivals must be finite"),
    ({"arrivals": [3, 1e300]}, "arrivals must be finite and in.*got 1e.300 at index 1"),
    ({"arrivals": [1, 2, 3]}, "arrivals must have the shape"),
    ({"availability": [0.5, 5e-324]}, "availability must be at least 1e-100, got 5e-324 at"),
    ({"gain": np.ma.masked_greater([1e-10, 1.0], 0.5)}, "gain must be an array without masked"),
])  # fmt: skip
def test_bad_traces_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        sl.Trace(**{**GOOD, **bad})


def test_the_least_availability_is_allowed():
    assert sl.Trace(**{**GOOD, "availability": [1e-100, 1.0]}).availability[0] == 1e-100


@pytest.mark.parametrize("gain", [["1", "2"], [1j, 2.0], [True, False], [[1.0], [1.0, 2.0]]])
def test_traces_require_real_numbers(gain):
    with pytest.raises(TypeError, match="gain must be an array of real numbers, got"):
        sl.Trace(**{**GOOD, "gain": gain})


def test_a_misspelt_array_gets_a_suggestion():
    with pytest.raises(TypeError, match=r"no field 'arrival' \(did you mean 'arrivals'\?\)"):
        sl.Trace(gain=[1.0], availability=[1.0], arrival=[1])


@pytest.mark.parametrize("rng", ["a", -1, 1.5])
def test_a_bad_source_of_randomness_is_refused(scenario, rng):
    with pytest.raises(TypeError, match="rng must be None, an integer of at least 0"):
        sl.draw_trace(scenario, 5, rng=rng)


@pytest.mark.parametrize("n_slots", [0, -3, 2.5, 2e5, True, "many"])
def test_the_number_of_slots_is_a_positive_integer(scenario, n_slots):
    with pytest.raises(ValueError, match="n_slots must be an integer of at least 1, got"):
        sl.draw_trace(scenario, n_slots)


def test_drawing_needs_a_scenario():
    with pytest.raises(TypeError, match="scenario must be a Scenario, got 3"):
        sl.draw_trace(3)
