"""Grids of α_max × β × seeds, with one trace per cell, run on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import joblib
import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from splitlib._check import check_array, check_bool, check_burn_in, check_integer
from splitlib.scenario import Scenario

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Grid:
    """Checked grid and run lengths of `splitlib.sweep` and `splitlib.compare`.

    Attributes
    ----------
    alpha_max, path_loss_exponent : list of float
    seed : list of int
    n_slots, burn_in : int
    n_jobs : int
    progress : bool
    """

    alpha_max: list[float]
    path_loss_exponent: list[float]
    seed: list[int]
    n_slots: int
    burn_in: int
    n_jobs: int
    progress: bool

    @classmethod
    def checked(
        cls,
        scenarios: dict[str, Scenario],
        alpha_max: ArrayLike | None,
        path_loss_exponent: ArrayLike | None,
        seeds: int | Sequence[int],
        n_slots: int,
        burn_in: int,
        n_jobs: int,
        progress: bool,
    ) -> Grid:
        """Return the grid; raise if an argument is of the wrong type or out of its range.

        Axes that are None take their value from the first of the named ``scenarios``.
        """
        first = next(iter(scenarios.values()))
        alphas = check_axis("alpha_max", alpha_max, "(0, 1]", first.alpha_max)
        exponents = check_axis(
            "path_loss_exponent", path_loss_exponent, "[0, inf)", first.path_loss_exponent
        )
        listed = _check_seeds(seeds)
        n_slots = check_integer("n_slots", n_slots)
        check_burn_in(burn_in, n_slots)
        check_bool("progress", progress)
        if n_jobs != -1:
            n_jobs = check_integer("n_jobs (other than -1)", n_jobs)
        for name, scenario in scenarios.items():
            if scenario.alpha_min > min(alphas):
                raise ValueError(
                    f"alpha_max must be at least alpha_min = {scenario.alpha_min!r} of the scenario"
                    f" {name!r}, got {min(alphas)!r}"
                )
        return cls(alphas, exponents, listed, n_slots, burn_in, n_jobs, progress)

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Values of each axis by name, in the order of the cells."""
        return {name: getattr(self, name) for name in ("alpha_max", "path_loss_exponent", "seed")}

    def map(self, cell: Callable[[float, float, int], _Found], title: str) -> list[_Found]:
        """Return ``cell(alpha_max, path_loss_exponent, seed)`` for each cell.

        Cells run in threads or, under ``joblib.parallel_config``, in workers. A progress bar
        appears after a second.
        """
        cells = list(product(*self.axes.values()))
        parallel = joblib.Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")
        found = parallel(joblib.delayed(cell)(*values) for values in cells)
        # `disable` is not set to False, so that TQDM_DISABLE can still switch the bar off.
        off = {} if self.progress else {"disable": True}
        return list(tqdm(found, total=len(cells), delay=1, unit="trace", desc=title, **off))


def check_axis(
    name: str, values: ArrayLike | None, interval: str, default: float = 0.0
) -> list[float]:
    """Return the values of one axis as a list of floats."""
    axis = np.atleast_1d(check_array(name, default if values is None else values, interval))
    if axis.ndim != 1 or axis.size == 0:
        raise ValueError(f"{name} must be a non-empty sequence of numbers, got {values!r}")
    if len(set(axis.tolist())) < axis.size:
        raise ValueError(f"{name} must not hold a value twice, got {values!r}")
    return [float(value) for value in axis]


def _check_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds of a grid as a list."""
    if np.ndim(seeds) == 0:
        return list(range(check_integer("seeds", seeds)))
    listed = [check_integer("seeds", seed, minimum=0) for seed in seeds]  # type: ignore[union-attr]
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(f"seeds must hold at least one value and none twice, got {listed}")
    return listed
