"""Measure speed, as ratios within one run on the same trace.

Every figure is the least of several repetitions, since other work on a machine can only add time.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import splitlib as sl
from splitlib.simulate import PLAIN, run
from tests.reference import slot_loop

V = 3.0


def seconds(function: Callable[[], Any], repetitions: int = 5) -> float:
    """Return the least time of several calls, in s."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def compare_loops() -> None:
    """Print the time per slot of the three loops, and how much faster the compiled one is."""
    scenario = sl.Scenario()
    short = sl.draw_trace(scenario, 2_000, rng=0)
    long = sl.draw_trace(scenario, rng=0)
    compiled = seconds(lambda: sl.simulate(scenario, long, V)) / long.n_slots
    many = [V] * 10
    shared = seconds(lambda: run(scenario, long, many, "adaptive", 0)) / long.n_slots / len(many)
    plain = seconds(lambda: run(scenario, short, [V], "adaptive", 0, loops=PLAIN), 3)
    first = seconds(lambda: slot_loop(scenario, short, V), 3)
    print("Slot loop, adaptive policy, 20 splitting points")
    print(f"  compiled, one V                {compiled * 1e9:10.0f} ns per slot")
    print(f"  compiled, ten V on one trace   {shared * 1e9:10.0f} ns per slot and V")
    for name, time_ in (("the same uncompiled", plain), ("NumPy and SciPy in a loop", first)):
        per_slot = time_ / short.n_slots
        ratio = f"{per_slot / compiled:.0f} times the compiled one"
        print(f"  {name:30s} {per_slot * 1e9:10.0f} ns per slot, {ratio}")


def deep_network(n_splits: int) -> sl.Network:
    """Return a network with the given number of splitting points."""
    stages = [
        sl.Stage(f"{index}", (sl.Conv2d(8, 8, 3, padding=1),)) for index in range(n_splits - 1)
    ]
    return sl.Network("deep", (8, 32, 32), tuple(stages))


def show_growth() -> None:
    """Print how time and memory grow with the slots, and time with the splitting points."""
    scenario = sl.Scenario()
    print("Time and peak memory of simulate, without the trace, over the number of slots")
    for n_slots in (10_000, 100_000, 1_000_000, 10_000_000):
        trace = sl.draw_trace(scenario, n_slots, rng=0)
        per_slot = seconds(lambda: sl.simulate(scenario, trace, V, burn_in=0), 3) / n_slots  # noqa: B023
        tracemalloc.start()
        sl.simulate(scenario, trace, V, burn_in=0)
        peak = tracemalloc.get_traced_memory()[1] / 1e3
        tracemalloc.stop()
        print(f"  {n_slots:10,d} slots  {per_slot * 1e9:8.0f} ns per slot  {peak:8.0f} kB")
    print("Time over the number of splitting points, 200,000 slots")
    for n_splits in (5, 20, 50, 100, 200):
        deep = dataclasses.replace(scenario, network=deep_network(n_splits))
        trace = sl.draw_trace(deep, rng=0)
        per_slot = seconds(lambda: sl.simulate(deep, trace, V)) / trace.n_slots  # noqa: B023
        per_split = per_slot / n_splits
        print(
            f"  {n_splits:10d} points {per_slot * 1e9:8.0f} ns per slot"
            f"  {per_split * 1e9:8.1f} ns per slot and point"
        )


def show_sweep() -> None:
    """Print how a sweep scales with the threads."""
    alphas = np.geomspace(0.01, 1, 8)
    times = {
        n_jobs: seconds(
            lambda: sl.sweep(
                sl.Scenario(), V=[0.1, 1.0, 3.0], alpha_max=alphas, n_jobs=n_jobs, progress=False  # noqa: B023
            ),
            2,
        )
        for n_jobs in (1, 2)
    }  # fmt: skip
    print("Sweep of 80 traces, 3 V each")
    for n_jobs, time_ in times.items():
        print(f"  {n_jobs} threads {time_:8.2f} s, {times[1] / time_:.2f} times as fast as one")


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}")
    compare_loops()
    show_growth()
    show_sweep()
