"""Helpers that several notebooks share: run cases in parallel, and glue the numbers of the text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import joblib
from myst_nb import glue

from splitlib import Interval


def in_parallel(function: Callable[..., Any], cases: Iterable[Any]) -> list[Any]:
    """Return the results of a function for each case, in order, computed on all cores.

    Parameters
    ----------
    function : callable
        Runs in threads.
    cases : iterable
        The argument of each case, or a tuple of its arguments.

    Examples
    --------
    >>> in_parallel(max, [(1, 2), (4, 3)])
    [2, 4]
    """
    arguments = (case if isinstance(case, tuple) else (case,) for case in cases)
    tasks = (joblib.delayed(function)(*each) for each in arguments)
    return list(joblib.Parallel(n_jobs=-1, prefer="threads")(tasks))


def glue_numbers(numbers: Mapping[str, Any]) -> None:
    """Glue numbers by name, and the ends of an interval as ``x_lower`` and ``x_upper``.

    Parameters
    ----------
    numbers : mapping of str to float or Interval
        Ends that are NaN are omitted.
    """
    for name, number in numbers.items():
        value, *ends = number if isinstance(number, Interval) else (number,)
        glue(name, float(value), display=False)
        for end, at in zip(("lower", "upper"), ends, strict=False):
            if not math.isnan(at):
                glue(f"{name}_{end}", float(at), display=False)
