"""Confidence intervals: coverage on processes with known true values, and refused input."""

import numpy as np
import pytest
import xarray as xr
from scipy import signal, stats

import splitlib as sl


def test_confidence_interval_agrees_with_scipy(rng):
    values = rng.normal(size=(3, 8))
    ours = sl.confidence_interval(xr.DataArray(values, dims=("x", "seed")))
    theirs = stats.ttest_1samp(values, 0, axis=1).confidence_interval(0.95)
    assert ours.lower.values == pytest.approx(theirs.low)
    assert ours.upper.values == pytest.approx(theirs.high)
    two = sl.confidence_interval(xr.DataArray([1.0, 3.0], dims="seed"))
    assert two.upper == pytest.approx(2 + 12.7062047)  # Student's t with 1 degree of freedom
    single = sl.confidence_interval(xr.DataArray([1.0], dims="seed"))
    assert np.isnan(single.lower)


def test_batch_means_coverage_on_a_process_with_memory(rng):
    """For an AR(1) process of known mean; an interval that ignores memory covers it far less."""
    covered, naive = 0, 0
    for _ in range(200):
        series = 5 + signal.lfilter([1], [1, -0.95], rng.normal(size=20_000))
        found = sl.batch_means(series, n_batches=20)
        covered += found.lower < 5 < found.upper
        half = 1.96 * series.std() / series.size**0.5
        naive += abs(series.mean() - 5) < half
    assert 0.90 < covered / 200 < 0.99
    assert naive / 200 < 0.5


def test_batch_means_are_a_t_interval_over_the_batches(rng):
    series = rng.normal(size=100)
    found = sl.batch_means(series, n_batches=10)
    means = series.reshape(10, 10).mean(axis=1)
    theirs = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert found == pytest.approx((series.mean(), theirs.low, theirs.high))
    shifted = sl.batch_means(np.concatenate([[1e9], series]), n_batches=10)
    assert shifted == pytest.approx(found)
    assert sl.batch_means(series) == sl.batch_means(series, n_batches=30, level=0.95)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 3.0])
def test_tail_exponent_coverage_on_a_pareto_tail(rng, exponent):
    covered = 0
    for _ in range(200):
        samples = rng.pareto(exponent, size=4000) + 1
        found = sl.tail_exponent(samples, n_largest=400)
        covered += found.lower < exponent < found.upper
    assert 0.90 < covered / 200 < 0.99


def test_tail_exponent_by_hand(rng):
    """For 1, 2, 4 and 8, the logarithms relative to the least are 0, 1, 2 and 3 times ln 2."""
    exponent = 3 / (6 * np.log(2))
    half = 1.959963985 * exponent / np.sqrt(3)
    samples = rng.permutation([1, 2, 4, 8, *np.linspace(-3, 0.9, 5000)])
    found = sl.tail_exponent(samples, n_largest=4)
    assert found == pytest.approx((exponent, exponent - half, exponent + half))


def lines(n):
    """Return data of ``n`` lines and three seeds."""
    return xr.DataArray(np.ones((n, 3)), dims=("line", "seed"))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: sl.over_seeds(lines(2)), "data must have no dimension but seed that is longer than"),
    (lambda: sl.over_seeds(lines(0)), "data must have no dimension but seed that is longer than"),
    (lambda: sl.confidence_interval(xr.DataArray([1.0])), "number of seeds in data.*1, got 0"),
    (lambda: sl.confidence_interval(xr.DataArray([1.0], dims="seed"), 2), "level must be"),
    (lambda: sl.batch_means([1.0, 2.0], n_batches=3), r"series must have shape \(n,\) with n >= "),
    (lambda: sl.batch_means([[1.0, 2.0]], n_batches=2), r"got shape \(1, 2\)"),
    (lambda: sl.batch_means([1.0, 2.0], n_batches=1), "n_batches must be an integer of at least 2"),
    (lambda: sl.batch_means([1.0, np.nan], n_batches=2), "series must be finite"),
    (lambda: sl.tail_exponent([1.0, 2.0], n_largest=2), "n_largest must be less than the 2 sam"),
    (lambda: sl.tail_exponent([1.0, 2.0], n_largest=1), "n_largest must be an integer of"),
    (lambda: sl.tail_exponent([1.0, 2.0], n_largest=3), "n_largest must be less than the 2 sam"),
    (lambda: sl.tail_exponent([-1.0, 0.0, 1.0], n_largest=2), "distinct values, got 0.0 as the l"),
    (lambda: sl.tail_exponent([1.0, 2.0, 3.0], n_largest=2, level=1), "level must be"),
    (lambda: sl.tail_exponent([-3.0, -2.0, -1.0], n_largest=2), "a positive tail of distinct"),
    (lambda: sl.tail_exponent([1.0, 2.0, 2.0], n_largest=2), "a positive tail of distinct"),
])  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
