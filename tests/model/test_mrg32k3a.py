"""The generator of the page's trace, against a public one, published constants, distributions."""

import numpy as np
import pytest
from mrg32k3a.mrg32k3a import MRG32k3a
from scipy import stats

import splitlib as sl
from splitlib import mrg32k3a

# L'Ecuyer et al. (2002): A1 and A2 to the power 2^127, as in every RngStreams package.
A1P127 = [
    [2427906178, 3580155704, 949770784],
    [226153695, 1230515664, 3580155704],
    [1988835001, 986791581, 1230515664],
]
A2P127 = [
    [1464411153, 277697599, 1610723613],
    [32183930, 1464411153, 1022607788],
    [2824425944, 32183930, 2093834863],
]


def test_numbers_agree_with_a_public_generator():
    theirs = MRG32k3a()
    state = mrg32k3a.initial_state(0)
    assert [mrg32k3a.next_uniform(state) for _ in range(2000)] == [
        theirs.random() for _ in range(2000)
    ]


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_stream_starts_follow_from_the_published_matrices(seed):
    state = [12345] * 6
    for _ in range(seed):
        x, y = state[:3], state[3:]
        state = [sum(a * s for a, s in zip(row, x, strict=True)) % (2**32 - 209) for row in A1P127]
        state += [
            sum(a * s for a, s in zip(row, y, strict=True)) % (2**32 - 22853) for row in A2P127
        ]
    assert mrg32k3a.initial_state(seed) == state


def test_compiled_and_plain_draws_agree():
    uniforms, state = np.empty(300), mrg32k3a.initial_state(3)
    mrg32k3a.fill_uniforms(state, 100, uniforms)
    trace = sl.page_trace(sl.Scenario(alpha_max=0.3), n_slots=100, seed=3)
    assert np.array_equal(trace.availability, 0.3 * uniforms[1::3])
    gain = sl.Scenario().path_gain * -np.log(uniforms[::3])
    assert trace.gain == pytest.approx(gain, rel=1e-14)
    assert np.array_equal(trace.arrivals, stats.poisson.ppf(uniforms[2::3], 10))


def test_no_number_is_zero():
    """By definition, the generator returns m1 / (m1 + 1) in place of 0."""
    assert mrg32k3a.next_uniform([0.0] * 6) == mrg32k3a.M1 / (mrg32k3a.M1 + 1)
    one = float(pow(1403580, -1, 2**32 - 209))  # the generator turns it into 1
    assert mrg32k3a.next_uniform([0.0, one, 0.0, 0.0, 0.0, 0.0]) == 1 / (mrg32k3a.M1 + 1)


def test_poisson_quantile_at_a_step():
    assert mrg32k3a.poisson_quantile(np.exp(-0.7), 0.7) == 0
    assert mrg32k3a.poisson_quantile(np.nextafter(np.exp(-0.7), 1), 0.7) == 1


@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.7, 10.0, 40.0, mrg32k3a.MAX_ARRIVAL_RATE])
def test_poisson_quantiles(mean):
    for u in np.concatenate([np.linspace(0.001, 0.999, 97), [1e-9, 1 - 1e-9]]):
        assert mrg32k3a.poisson_quantile(u, mean) == max(stats.poisson.ppf(u, mean), 0.0)


def test_page_traces_have_the_distributions_of_the_paper():
    scenario = sl.Scenario(alpha_max=0.4)
    trace = sl.page_trace(scenario, 200_000, seed=1)
    fading = trace.gain / scenario.path_gain
    assert stats.kstest(fading, "expon").pvalue > 1e-3
    assert stats.kstest(trace.availability, stats.uniform(0, 0.4).cdf).pvalue > 1e-3
    counts = np.bincount(trace.arrivals, minlength=40)
    expected = 200_000 * stats.poisson.pmf(np.arange(counts.size), 10)
    frequent = expected > 5
    chi2 = np.sum((counts[frequent] - expected[frequent]) ** 2 / expected[frequent])
    assert stats.chi2.sf(chi2, frequent.sum() - 1) > 1e-3
    series = np.array([fading, trace.availability, trace.arrivals])
    assert np.abs(np.corrcoef(series) - np.eye(3)).max() < 0.01
    lagged = [np.corrcoef(a[1:], b[:-1])[0, 1] for a in series for b in series]
    assert np.abs(lagged).max() < 0.01


def test_default_length_of_traces_is_that_of_the_papers_runs():
    scenario = sl.Scenario(arrival_rate=0)
    page = sl.page_trace(scenario)
    assert sl.draw_trace(scenario).n_slots == page.n_slots == 200_000
    assert np.array_equal(page.gain[:9], sl.page_trace(scenario, 9, seed=1).gain)


def test_a_slider_changes_a_slot_smoothly():
    first, second = (sl.page_trace(sl.Scenario(arrival_rate=rate), 1000) for rate in (10, 10.5))
    assert np.array_equal(first.gain, second.gain)
    assert (second.arrivals >= first.arrivals).all()
    assert second.arrivals.sum() > first.arrivals.sum()


def test_the_largest_arrival_rate_is_allowed():
    arrivals = sl.page_trace(sl.Scenario(arrival_rate=500), 1000).arrivals
    assert arrivals.mean() == pytest.approx(500, abs=3 * np.sqrt(500 / 1000))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"n_slots": 0}, "n_slots must be an integer of at least 1, got 0"),
    ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
    ({"scenario": sl.Scenario(arrival_rate=501)}, "arrival_rate must be a finite"),
])  # fmt: skip
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sl.page_trace(**{"scenario": sl.Scenario(), **arguments})
