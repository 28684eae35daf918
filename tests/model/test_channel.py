"""The radio link: inverse functions, and the optimal rate against its optimization problem."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitlib import channel, kernel
from tests.model import reference

BANDWIDTH, NOISE_PSD = 200e6, 4e-21


def logarithmic(low, high):
    """Return a strategy for numbers between two powers of ten."""
    return st.floats(low, high).map(lambda decade: 10.0**decade)


def test_path_gain_is_free_space_at_one_metre_and_falls_by_beta_decades_per_decade():
    free_space_db = 20 * np.log10(4 * np.pi * 3.5e9 / 299_792_458)
    assert 10 * np.log10(channel.path_gain(1.0, 3.5e9, 4.7)) == pytest.approx(-free_space_db)
    ratio = channel.path_gain(10.0, 3.5e9, 4.7) / channel.path_gain(100.0, 3.5e9, 4.7)
    assert np.log10(ratio) == pytest.approx(4.7)


def test_dbm():
    assert channel.dbm_to_watt(0.0) == pytest.approx(1e-3)
    assert channel.dbm_to_watt(-174.0) == pytest.approx(3.981e-21, rel=1e-4, abs=0)


@given(power=logarithmic(-6, 3), gain=logarithmic(-16, -3))
def test_power_is_the_inverse_of_rate(power, gain):
    rate = channel.rate(power, gain, BANDWIDTH, NOISE_PSD)
    assert channel.power(rate, gain, BANDWIDTH, NOISE_PSD) == pytest.approx(power, rel=1e-9, abs=0)


def test_rate_by_hand():
    snr = 0.1 * 1e-10 / (4e-21 * 200e6)
    rate = channel.rate(0.1, 1e-10, BANDWIDTH, NOISE_PSD)
    assert rate == pytest.approx(200e6 * np.log2(1 + snr))


@given(
    V=logarithmic(-5, 5),
    omega=logarithmic(-6, 6),
    gain=logarithmic(-20, -5),
    powers=st.tuples(logarithmic(-4, 1), logarithmic(-4, 1)).map(sorted),
)
def test_optimal_rate_meets_the_kkt_conditions_and_beats_a_fine_grid(V, omega, gain, powers):
    low, high = channel.rate(powers, gain, BANDWIDTH, NOISE_PSD)
    problem = {
        "V": V, "omega": omega, "gain": gain, "bandwidth": BANDWIDTH, "noise_psd": NOISE_PSD,
    }  # fmt: skip
    rate = channel.optimal_rate(**problem, rate_min=low, rate_max=high)
    assert low <= rate <= high
    assert abs(reference.kkt_residual(rate, **problem, rate_min=low, rate_max=high)) < 1e-9
    others = reference.surrogate(np.geomspace(low, high, 2001), **problem)
    assert reference.surrogate(rate, **problem) <= others.min() * (1 + 1e-12)


@given(c=logarithmic(-24, 18))
def test_both_twins_solve_the_stationarity_condition(c):
    r = float(channel.optimal_rate(1.0, 1.0, c, 1.0, 1.0, 0.0, 1e9)) * np.log(2)
    # (r - 1) e^r + 1 as the integral of s e^s from 0 to r, to avoid cancellation.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    s = r * (nodes + 1) / 2
    assert r / 2 * np.sum(weights * s * np.exp(s)) == pytest.approx(c, rel=1e-10, abs=0)
    assert kernel.stationary_rate(c, r * 1.5) == pytest.approx(r, rel=1e-11, abs=0)
    assert kernel.stationary_rate(c, r) == pytest.approx(r, rel=1e-11, abs=0)


@pytest.mark.parametrize(("r", "accuracy"), [
    (1e-9, 1e-15), (1.3e-5, 1e-15), (1e-3, 1e-15), (0.02, 1e-15),
    (0.0499, 4e-14),  # the next term is 3.4e-14
    (0.0501, 4e-13), (0.3, 1e-14), (3.0, 1e-15), (40.0, 1e-15),
])  # fmt: skip
def test_stationarity_agrees_with_its_power_series(r, accuracy):
    series = math.fsum((k - 1) * r**k / math.factorial(k) for k in range(2, 150))
    assert kernel.stationarity(r, math.expm1(r)) == pytest.approx(series, rel=accuracy, abs=0)
    solved = kernel.stationary_rate(series, 1.5 * r)
    assert solved == pytest.approx(r, rel=accuracy + 1e-14, abs=0)


def test_the_series_at_the_branch_point_inverts_the_stationarity_condition():
    r = channel._BRANCH_POINT
    c = sum((k - 1) / math.factorial(k) * r**k for k in range(2, 10))
    assert c.coef[:10] == pytest.approx([0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0], abs=1e-15)


@pytest.mark.parametrize("gain", [0.0, 1e-20, 1e-5])
def test_without_queues_the_rate_is_the_least(gain):
    assert channel.optimal_rate(1.0, 0.0, gain, BANDWIDTH, NOISE_PSD, 5.0, 9.0) == 5.0


def test_optimal_rate_broadcasts_and_never_returns_nan():
    V = np.logspace(-5, 5, 11)[:, None]
    gain = np.logspace(-20, -5, 16)
    rate = channel.optimal_rate(V, 1e-3, gain, BANDWIDTH, NOISE_PSD, 1.0, 1e12)
    assert rate.shape == (11, 16)
    assert np.isfinite(rate).all()
    assert (np.diff(rate, axis=0) <= 0).all(), "dearer energy lowers the rate"
    assert (np.diff(rate, axis=1) >= 0).all(), "a better channel raises the rate"


@pytest.mark.parametrize(("call", "message"), [
    (lambda: channel.path_gain(0.0, 1e9, 3.0), r"distance must be a finite number in \(0, inf\)"),
    (lambda: channel.path_gain(1.0, np.inf, 3.0), "carrier_frequency must be a finite number"),
    (lambda: channel.path_gain(1.0, 1e9, -1.0), "path_loss_exponent must be a finite number"),
    (lambda: channel.dbm_to_watt(np.nan), "level_dbm must be a finite number"),
    (lambda: channel.rate([0.1, -0.1], 1.0, 1.0, 1.0), r"power must be finite.*-0.1 at index 1"),
    (lambda: channel.rate(0.1, 1.0, 0.0, 1.0), "bandwidth must be a finite number"),
    (lambda: channel.power(1.0, 0.0, 1.0, 1.0), r"gain must be finite and in \(0, inf\)"),
    (lambda: channel.power(1.0, 1.0, 1.0, 0.0), "noise_psd must be a finite number"),
    (lambda: channel.optimal_rate(0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0), "V must be finite"),
    (lambda: channel.optimal_rate(1.0, -1.0, 1.0, 1.0, 1.0, 0.0, 1.0), "omega must be finite"),
    (lambda: channel.optimal_rate(1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0), "rate_min must not exceed"),
    (lambda: channel.optimal_rate(1.0, 1.0, 1.0, 1.0, 1.0, [1.0, 5.0, 6.0], [9.0, 2.0, 3.0]),
     "rate_min must not exceed rate_max, got 5.0 and 2.0"),
])  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_non_numbers_are_refused():
    with pytest.raises(TypeError, match="power must be an array of real numbers, got 'strong'"):
        channel.rate("strong", 1.0, 1.0, 1.0)


@given(x=logarithmic(-300, 300) | logarithmic(-17, 2))
def test_log1p_of_the_kernel(x):
    assert kernel.log1p(x) == pytest.approx(np.log1p(x), rel=1e-15, abs=0)


def test_log1p_of_zero():
    assert kernel.log1p(0.0) == 0.0
