"""Traces with memory: the distribution of a single slot, and the dependence between slots.

Every statistical test has a fixed seed; with another seed, each check fails by chance with
probability `FALSE_ALARM`.
"""

import numpy as np
import pytest
from scipy import signal, stats

import splitlib as sl
from splitlib.trace import _compiled_gauss_markov, _fill_gauss_markov

FALSE_ALARM = 1e-3
SCENARIO = sl.Scenario(alpha_max=0.4)
FADING = sl.GaussMarkovFading(correlation=0.95)
HOST = sl.MarkovAvailability(memory=0.9, busy_share=0.3)


def fading_of(trace):
    """Return |g|², with mean 1."""
    return trace.gain / SCENARIO.mean_gain


def share_of(trace):
    """Return the availability as a share of the largest one."""
    return trace.availability / SCENARIO.alpha_max


@pytest.fixture(scope="module")
def trace():
    return sl.draw_trace(SCENARIO, 400_000, rng=11, fading=FADING, availability=HOST)


def same(one, two):
    return all(np.array_equal(one, two) for one, two in zip(one, two, strict=True))


def series(trace):
    return trace.gain, trace.availability, trace.arrivals


def test_random_stream_of_independent_slots_never_changes():
    """Seeds in papers and notebooks must keep their meaning, so the stream must never change."""
    scenario = sl.Scenario(alpha_max=0.7, alpha_min=0.1, fading_power=2.0, arrival_rate=4)
    rng = np.random.default_rng(5)
    gain = scenario.mean_gain * rng.standard_exponential(1000)
    availability = np.maximum(0.1, 0.7 * (1.0 - rng.random(1000)))
    expected = gain, availability, rng.poisson(4, 1000)
    assert same(series(sl.draw_trace(scenario, 1000, rng=5)), expected)
    shared = np.random.default_rng(5)
    explicit = sl.draw_trace(scenario, 1000, shared, fading=None, availability=None)
    assert same(series(explicit), expected)
    assert shared.random() == rng.random(), "the next trace of the generator has moved"


def test_zero_memory_gives_independent_slots():
    independent = sl.draw_trace(SCENARIO, 5000, rng=3)
    forgetful = sl.draw_trace(
        SCENARIO, 5000, rng=3, fading=sl.GaussMarkovFading(0.0),
        availability=sl.MarkovAvailability(memory=0.0, busy_share=0.3),
    )  # fmt: skip
    np.testing.assert_allclose(forgetful.gain, independent.gain, rtol=1e-13)
    assert np.array_equal(forgetful.availability, independent.availability)


def test_a_model_changes_only_its_own_series():
    independent = sl.draw_trace(SCENARIO, 5000, rng=3)
    fading = sl.draw_trace(SCENARIO, 5000, rng=3, fading=FADING)
    host = sl.draw_trace(SCENARIO, 5000, rng=3, availability=HOST)
    both = sl.draw_trace(SCENARIO, 5000, rng=3, fading=FADING, availability=HOST)
    assert same(series(both), (fading.gain, host.availability, independent.arrivals))
    assert same(series(fading)[1:], series(independent)[1:])
    assert np.array_equal(host.gain, independent.gain)
    assert not np.array_equal(fading.gain, independent.gain)
    assert not np.array_equal(host.availability, independent.availability)


def test_same_seed_gives_same_trace():
    models = {"fading": FADING, "availability": HOST}
    first = sl.draw_trace(SCENARIO, 500, rng=3, **models)
    again = sl.draw_trace(SCENARIO, 500, rng=np.random.default_rng(3), **models)
    other = sl.draw_trace(SCENARIO, 500, rng=4, **models)
    assert same(series(first), series(again))
    assert not same(series(first), series(other))


def test_amplitude_is_filtered_white_noise():
    rng = np.random.default_rng(8)
    power = rng.standard_exponential(2000)
    for draw in (rng.random, lambda size: rng.poisson(SCENARIO.arrival_rate, size)):
        draw(2000)  # availability and load are drawn in between
    noise = np.sqrt(power) * np.exp(2j * np.pi * rng.random((2, 2000))[0])
    noise[1:] *= np.sqrt(1 - 0.95**2)
    g = signal.lfilter([1.0], [1.0, -0.95], noise)
    drawn = sl.draw_trace(SCENARIO, 2000, rng=8, fading=FADING)
    np.testing.assert_allclose(fading_of(drawn), abs(g) ** 2, rtol=1e-9)


def test_plain_and_compiled_loop_agree():
    rng = np.random.default_rng(0)
    plain, phase = rng.standard_exponential(500), rng.random(500)
    compiled = plain.copy()
    _fill_gauss_markov(0.99, phase, plain)
    _compiled_gauss_markov(0.99, phase, compiled)
    np.testing.assert_allclose(compiled, plain, rtol=1e-12)


def test_models_do_not_modify_their_input():
    draws = np.random.default_rng(0).random((2, 100))
    before = draws.copy()
    for model in (FADING, HOST):
        model._apply(*draws)
    assert np.array_equal(draws, before)


@pytest.mark.parametrize("correlation", [0.5, 0.95])
def test_gain_of_a_slot_is_exponential(correlation):
    model = sl.GaussMarkovFading(correlation)
    drawn = sl.draw_trace(SCENARIO, 400_000, rng=1, fading=model)
    thinned = fading_of(drawn)[::100]  # the remaining correlation is 0.95 ** 200, 4e-5
    assert stats.kstest(thinned, "expon").pvalue > FALSE_ALARM


@pytest.mark.parametrize(("memory", "busy_share"), [(0.9, 0.5), (0.9, 0.1), (0.5, 0.8)])
def test_availability_of_a_slot_is_uniform(memory, busy_share):
    model = sl.MarkovAvailability(memory, busy_share)
    drawn = sl.draw_trace(SCENARIO, 400_000, rng=2, availability=model)
    thinned = share_of(drawn)[::100]  # 0.9 ** 100 is 3e-5
    assert stats.kstest(thinned, "uniform").pvalue > FALSE_ALARM
    assert share_of(drawn).max() <= 1
    for low, high in ((0.0, busy_share), (busy_share, 1.0)):
        state = thinned[(thinned > low) & (thinned <= high)]
        assert stats.kstest(state, stats.uniform(low, high - low).cdf).pvalue > FALSE_ALARM


def check_autocorrelation(deviation, expected):
    """Compare the mean of ``x(t) x(t + k)`` with its expectation, by batch means.

    ``deviation`` is standardized by the mean and variance of its distribution, not of the sample.
    """
    for lag, value in expected.items():
        products = deviation[: deviation.size - lag] * deviation[lag:]
        found = sl.batch_means(products, n_batches=40, level=1 - FALSE_ALARM)
        assert found.lower < value < found.upper, (lag, value, found)
        assert found.upper - found.lower < 0.15  # narrow enough to detect a wrong law


def test_autocorrelation_of_the_gain(trace):
    lags = (1, 2, 5, 10, 20, 50)
    check_autocorrelation(fading_of(trace) - 1, {lag: 0.95 ** (2 * lag) for lag in lags})


@pytest.mark.parametrize("busy_share", [0.3, 0.5])
def test_autocorrelation_of_the_availability(busy_share):
    model = sl.MarkovAvailability(0.9, busy_share)
    share = share_of(sl.draw_trace(SCENARIO, 400_000, rng=7, availability=model))
    jump = 3 * busy_share * (1 - busy_share)
    expected = {lag: jump * 0.9**lag for lag in (1, 2, 5, 10, 20)}
    check_autocorrelation((share - 0.5) * np.sqrt(12), expected)
    busy = (share <= busy_share) - busy_share
    state = busy / np.sqrt(busy_share * (1 - busy_share))
    check_autocorrelation(state, {lag: 0.9**lag for lag in (1, 2, 5, 10, 20)})


def test_transition_probabilities_of_the_host(trace):
    busy = share_of(trace) <= 0.3
    for state, probability in ((True, 0.1 * 0.7), (False, 0.1 * 0.3)):
        here = busy[:-1] == state
        changes = int((here & (busy[1:] != state)).sum())
        test = stats.binomtest(changes, int(here.sum()), probability)
        assert test.pvalue > FALSE_ALARM
    starts = np.flatnonzero(np.diff(busy.astype(int)) != 0)
    periods = np.diff(starts)[busy[starts[:-1] + 1]]
    mean = periods.mean(), stats.sem(periods)
    assert abs(mean[0] - 1 / 0.07) < stats.norm.isf(FALSE_ALARM / 2) * mean[1]


def test_the_start_is_stationary():
    """Test the first slots of many traces that are far shorter than their memory."""
    rng = np.random.default_rng(9)
    models = {"fading": sl.GaussMarkovFading(0.999), "availability": sl.MarkovAvailability(0.99)}
    drawn = [sl.draw_trace(SCENARIO, 40, rng, **models) for _ in range(3000)]
    gain, share = (np.array([of(trace) for trace in drawn]) for of in (fading_of, share_of))
    for slot in (0, 1, 39):
        assert stats.kstest(gain[:, slot], "expon").pvalue > FALSE_ALARM
        assert stats.kstest(share[:, slot], "uniform").pvalue > FALSE_ALARM
        assert stats.binomtest(int((share[:, slot] <= 0.5).sum()), 3000).pvalue > FALSE_ALARM
    assert np.corrcoef(gain[:, 0], gain[:, 39])[0, 1] > 0.8  # 0.999 ** 78 is 0.92


def test_channel_host_and_load_are_independent_of_each_other(trace):
    thinned = np.array([fading_of(trace), share_of(trace), trace.arrivals])[:, ::50]
    n_slots = thinned.shape[1]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        for lag in (0, 1):
            pair = thinned[one, lag:], thinned[two, : n_slots - lag]
            assert stats.spearmanr(*pair).pvalue > FALSE_ALARM
            extreme = [abs(stats.rankdata(x) / x.size - 0.5) for x in pair]
            assert stats.spearmanr(*extreme).pvalue > FALSE_ALARM


def test_channel_and_host_use_independent_draws():
    """If phase and switch were one draw, successive changes of state would drive g one way."""
    models = {"fading": sl.GaussMarkovFading(0.9), "availability": sl.MarkovAvailability(0.5)}
    drawn = sl.draw_trace(SCENARIO, 200_000, rng=4, **models)
    changed = np.diff((share_of(drawn) <= 0.5).astype(float)) != 0
    driven = signal.lfilter([1.0], [1.0, -0.9], changed - 0.25) ** 2
    assert stats.spearmanr(driven[::30], fading_of(drawn)[1::30]).pvalue > FALSE_ALARM


def test_scenario_scales_and_clips_traces_with_memory():
    models = {"fading": FADING, "availability": HOST}
    base = sl.draw_trace(sl.Scenario(), 2000, rng=6, **models)
    louder = sl.Scenario(alpha_max=0.5, alpha_min=0.2, fading_power=3.0)
    other = sl.draw_trace(louder, 2000, rng=6, **models)
    np.testing.assert_allclose(other.gain, 3 * base.gain, rtol=1e-12)
    assert np.array_equal(other.availability, np.maximum(0.2, 0.5 * base.availability))
    assert np.array_equal(other.arrivals, base.arrivals)


def test_correlation_is_one_over_e_at_the_correlation_time():
    assert 0.9 ** (2 * sl.GaussMarkovFading(0.9).correlation_time) == pytest.approx(1 / np.e)
    assert 0.99 ** sl.MarkovAvailability(0.99).correlation_time == pytest.approx(1 / np.e)
    models = sl.GaussMarkovFading(0.0), sl.GaussMarkovFading(1e-200), sl.MarkovAvailability(0)
    assert [model.correlation_time for model in models] == [0.0, 0.0, 0.0]


def test_single_slot_and_longest_memory():
    models = {"fading": sl.GaussMarkovFading(1 - 1e-16), "availability": HOST}
    assert same(series(sl.draw_trace(SCENARIO, 1, rng=1, **models))[1:],
                series(sl.draw_trace(SCENARIO, 1, rng=1))[1:])  # fmt: skip
    frozen = sl.MarkovAvailability(np.nextafter(1, 0), 0.5)
    share = share_of(sl.draw_trace(SCENARIO, 1000, rng=1, availability=frozen))
    assert np.unique(share <= 0.5).size == 1


def test_edge_cases_of_state_and_memory_by_hand():
    """A share equal to ``busy_share`` counts as busy; with memory 0 every slot draws its state."""
    uniform, kept = np.array([0.1, 0.3, 0.9]), np.zeros(3)
    assert HOST._apply(uniform, kept) == pytest.approx([0.1, 0.3, 0.3 * 0.6 / 0.7])
    assert np.array_equal(sl.MarkovAvailability(0.0, 0.5)._apply(uniform, kept), uniform)


def test_models_compare_by_value():
    assert len({FADING, sl.GaussMarkovFading(0.95), HOST, sl.MarkovAvailability(0.9, 0.3)}) == 2


@pytest.mark.parametrize(("model", "fields", "error", "message"), [
    ("GaussMarkovFading", {"correlation": 1.0}, ValueError,
     r"correlation must be a finite number in \[0, 1\), got 1.0"),
    ("GaussMarkovFading", {"correlation": -0.1}, ValueError, "correlation must be"),
    ("GaussMarkovFading", {"correlation": np.nan}, ValueError, "correlation must be.*got nan"),
    ("GaussMarkovFading", {"correlation": "0.9"}, TypeError, "correlation must be a real number"),
    ("GaussMarkovFading", {"corelation": 0.9}, TypeError, r"\(did you mean 'correlation'\?\)"),
    ("MarkovAvailability", {"memory": 1}, ValueError,
     r"memory must be a finite number in \[0, 1\), got 1"),
    ("MarkovAvailability", {"memory": -0.5}, ValueError, "memory must be"),
    ("MarkovAvailability", {"memory": 0.9, "busy_share": 0.0}, ValueError,
     r"busy_share must be a finite number in \(0, 1\), got 0.0"),
    ("MarkovAvailability", {"memory": 0.9, "busy_share": 1}, ValueError, "busy_share must be"),
    ("MarkovAvailability", {"memory": None}, TypeError, "memory must be a real number"),
])  # fmt: skip
def test_bad_models_are_refused(model, fields, error, message):
    with pytest.raises(error, match=message):
        getattr(sl, model)(**fields)


@pytest.mark.parametrize(("models", "message"), [
    ({"fading": 0.9}, r"fading \(other than None\) must be a GaussMarkovFading, got 0.9"),
    ({"fading": HOST}, "fading .* must be a GaussMarkovFading, got MarkovAvail"),
    ({"availability": FADING}, "availability .* must be a MarkovAvailability, got GaussMarkov"),
    ({"availability": "busy"}, "availability .* must be a MarkovAvailability, got 'busy'"),
])  # fmt: skip
def test_values_that_are_not_models_are_refused(models, message):
    with pytest.raises(TypeError, match=message):
        sl.draw_trace(SCENARIO, 5, rng=0, **models)
