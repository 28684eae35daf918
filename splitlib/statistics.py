r"""Confidence intervals: over seeds, over the batches of one run, and for a tail exponent.

Every interval has a level, by default 95 %: that share of such intervals covers the true value.
To compare methods or readings, use the interval of the *difference* on equal seeds (common random
numbers), not the difference of two intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from splitlib._check import check_array, check_instance, check_integer, check_real

if TYPE_CHECKING:
    import xarray as xr


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval; NaN if there is no interval."""

    value: float
    lower: float
    upper: float


def confidence_interval(data: xr.DataArray, level: float = 0.95) -> xr.Dataset:
    """Return mean and confidence interval over independent seeds.

    This is Student's t interval of the mean. It assumes that the mean exists and that the values
    of the seeds are close to normal. Neither holds for the mean delay of full offloading; see the
    book.

    Parameters
    ----------
    data : xarray.DataArray
        With a dimension ``seed``; the bounds are NaN if there is only one.
    level : float
        In (0, 1).

    Returns
    -------
    xarray.Dataset
        ``mean``, ``lower`` and ``upper``, without the dimension ``seed``.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> import xarray as xr
    >>> interval = confidence_interval(xr.DataArray([1.0, 2.0, 3.0], dims="seed"))
    >>> round(float(interval.lower), 3), round(float(interval.upper), 3)
    (-0.484, 4.484)
    """
    import xarray as xr
    from scipy import stats

    check_instance("data", data, xr.DataArray)
    check_real("level", level, "(0, 1)")
    n_seeds = check_integer("number of seeds in data", data.sizes.get("seed", 0))
    mean = data.mean("seed")
    half = xr.full_like(mean, np.nan, dtype=float)
    if n_seeds > 1:
        error = data.std("seed", ddof=1) / n_seeds**0.5
        half = stats.t.ppf((1 + level) / 2, n_seeds - 1) * error
    return xr.Dataset({"mean": mean, "lower": mean - half, "upper": mean + half})


def over_seeds(data: xr.DataArray, level: float = 0.95) -> Interval:
    """Return `confidence_interval` of data whose only dimension is ``seed``.

    Parameters
    ----------
    data : xarray.DataArray
        Other dimensions must have length 1.
    level : float
        In (0, 1).

    Returns
    -------
    Interval

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> import xarray as xr
    >>> over_seeds(xr.DataArray([1.0, 2.0, 3.0], dims="seed")).value
    2.0
    """
    found = confidence_interval(data, level)
    if found["mean"].size != 1:
        raise ValueError(
            f"data must have no dimension but seed that is longer than 1, got {dict(data.sizes)}"
        )
    return Interval(*(float(found[name].item()) for name in ("mean", "lower", "upper")))


def batch_means(series: ArrayLike, n_batches: int = 30, level: float = 0.95) -> Interval:
    r"""Return the mean of a correlated series, with an interval by the method of batch means.

    The series is cut into batches. If they are long compared with its memory, their means are
    nearly independent and normal; the result is Student's t interval over these means (Law,
    Simulation Modeling and Analysis, 5th ed., sec. 9.5.3).

    Parameters
    ----------
    series : array_like of shape (n,)
        In order of time; values at the start that do not fill a batch are left out.
    n_batches : int
        At least 2, at most n.
    level : float
        In (0, 1).

    Returns
    -------
    Interval

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> batch_means([1.0, 1.0, 3.0, 3.0], n_batches=2).value
    2.0
    """
    import xarray as xr

    series = check_array("series", series, "(-inf, inf)")
    n_batches = check_integer("n_batches", n_batches, minimum=2)
    check_real("level", level, "(0, 1)")
    length = series.size // n_batches
    if series.ndim != 1 or length == 0:
        raise ValueError(
            f"series must have shape (n,) with n >= n_batches = {n_batches},"
            f" got shape {series.shape}"
        )
    means = series[series.size - n_batches * length :].reshape(n_batches, length).mean(axis=1)
    return over_seeds(xr.DataArray(means, dims="seed"), level)


def tail_exponent(samples: ArrayLike, n_largest: int, level: float = 0.95) -> Interval:
    r"""Return the exponent a of a tail :math:`\Pr\{X > x\} \sim c x^{-a}` by Hill's estimator.

    With :math:`x_1 \ge \dots \ge x_m` the largest of the samples, the estimate is
    :math:`1 / \frac{1}{m - 1} \sum_{i < m} \ln (x_i / x_m)` and its relative standard error
    :math:`1 / \sqrt{m - 1}` (Hill, Annals of Statistics 3(5), 1975). Moments of order a and above
    do not exist.

    Parameters
    ----------
    samples : array_like
        Independent, of any shape.
    n_largest : int
        Number m of largest samples used: at least 2, fewer than all.
    level : float
        In (0, 1).

    Returns
    -------
    Interval

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of its range, or the largest samples are not
        positive and distinct.

    Examples
    --------
    >>> x = 1 / np.random.default_rng(0).random(100_000)  # a = 1
    >>> found = tail_exponent(x, n_largest=2000)
    >>> found.lower < 1 < found.upper
    True
    """
    from scipy import stats

    samples = check_array("samples", samples, "(-inf, inf)").ravel()
    n_largest = check_integer("n_largest", n_largest, minimum=2)
    check_real("level", level, "(0, 1)")
    if n_largest >= samples.size:
        raise ValueError(
            f"n_largest must be less than the {samples.size} samples, got {n_largest!r}"
        )
    largest = np.partition(samples, -n_largest)[-n_largest:]
    threshold = float(largest.min())
    if threshold <= 0 or threshold == largest.max():
        raise ValueError(
            f"samples must have a positive tail of distinct values, got {threshold!r} as the least"
            f" of the {n_largest} largest"
        )
    exponent = float((n_largest - 1) / np.log(largest / threshold).sum())
    half = float(stats.norm.ppf((1 + level) / 2)) * exponent / (n_largest - 1) ** 0.5
    return Interval(exponent, exponent - half, exponent + half)
