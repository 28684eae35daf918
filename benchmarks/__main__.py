"""Measure speed, as ratios within one run on the same trace.

Every time is the least of several repetitions, because other work on the machine can only add time.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import splitlib as sl
from benchmarks.straightforward import slot_loop
from splitlib.loop import PLAIN
from splitlib.simulate import simulate_each
from tools.browser import launched
from tools.fingerprint import ROOT

V = 3.0

#: Moves a slider of the page; returns the times in ms until the repaint and the whole curve.
_LATENCIES = """async ({ name, moves }) => {
  const root = document.querySelector(".splitlib-explorer");
  const handle = document.querySelector(`.splitlib-${name} .noUi-handle`);
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const repaints = [], curves = [];
  for (let i = 0; i < moves; i++) {
    const repainted = new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(resolve));  // the frame has been handed over
      });
      observer.observe(root, { attributes: true, attributeFilter: ["data-setting"] });
    });
    const start = performance.now();
    const key = i % 2 ? "ArrowLeft" : "ArrowRight";
    handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await repainted;
    repaints.push(performance.now() - start);
    while (root.dataset.curve !== "done") await sleep(5);
    curves.push(performance.now() - start);
    await sleep(100);
  }
  return [repaints, curves];
}"""


def seconds(function: Callable[[], Any], repetitions: int = 5) -> float:
    """Return the least time of several calls, in s."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def paired(
    one: Callable[[], Any], other: Callable[[], Any], repetitions: int = 30
) -> tuple[float, float]:
    """Return the least times of two functions, called alternately, in s."""
    times = [(seconds(one, 1), seconds(other, 1)) for _ in range(repetitions)]
    return min(first for first, _ in times), min(second for _, second in times)


@sl.online
def fastest_cut(slot: sl.Slot) -> tuple[int, float]:
    """Decide like a typical custom policy of a few lines."""
    delay, _ = slot.costs(slot.rate_max)
    return int(delay.argmin()), slot.rate_max


def compare_loops() -> None:
    """Print the time per slot of the loops on one trace, and their ratios."""
    scenario = sl.Scenario()
    trace = sl.draw_trace(scenario, 20_000, rng=0)

    def each(V: Sequence[float], policy: Any = "adaptive", **loops: Any) -> None:
        simulate_each(scenario, trace, V, policy, 0, **loops)

    compiled = seconds(lambda: each([V]), 50)
    plain = seconds(lambda: each([V], loops=PLAIN), 3)
    custom = seconds(lambda: each([V], fastest_cut), 3)
    first = seconds(lambda: slot_loop(scenario, trace, V), 3)
    print(f"Slot loop, adaptive policy, 20 splitting points, one trace of {trace.n_slots:,} slots")
    for name, time_ in (
        ("compiled, one V", compiled),
        ("the same uncompiled", plain),
        ("a custom policy, in plain Python", custom),
        ("NumPy and SciPy in a loop", first),
    ):
        per_slot = time_ / trace.n_slots * 1e9
        print(f"  {name:33s} {per_slot:10.0f} ns per slot {time_ / compiled:8.1f} times compiled")
    verdict("the compiled loop is at least 500 times as fast as NumPy's", first / compiled >= 500)
    print("Several V side by side, against as many calls of simulate, per V")
    for n_weights, least in ((1, 0.97), (8, 1.4), (25, 1.6)):
        weights = np.geomspace(1e-4, 100, n_weights).tolist() if n_weights > 1 else [V]
        together, alone = paired(
            lambda: each(weights),  # noqa: B023
            lambda: [sl.simulate(scenario, trace, weight, burn_in=0) for weight in weights],  # noqa: B023
        )
        per_slot = 1e9 / trace.n_slots / n_weights
        print(
            f"  {n_weights:3d} V {together * per_slot:8.1f} ns per slot together,"
            f" {alone * per_slot:5.1f} alone: {alone / together:.2f} times as fast"
        )
        verdict(f"at least {least:g} times as fast", alone / together >= least)


def verdict(claim: str, holds: bool) -> None:
    """Print whether a claim holds."""
    print(f"  {'holds' if holds else 'DOES NOT HOLD'}: {claim}")


def deep_network(n_splits: int) -> sl.Network:
    """Return a network with the given number of splitting points."""
    stages = [
        sl.Stage(f"{index}", (sl.Conv2d(8, 8, 3, padding=1),)) for index in range(n_splits - 1)
    ]
    return sl.Network("deep", (8, 32, 32), tuple(stages))


def show_growth() -> None:
    """Print how time and memory grow with the slots, and how time grows with splitting points."""
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


def show_bound() -> None:
    """Print the time of the certified bound on a trace of the paper's length, on one core."""
    print("The bound of the least energy, 200,000 slots, one core")
    longest = 0.0
    for alpha_max in (1.0, 0.5, 0.1):
        scenario = sl.Scenario(alpha_max=alpha_max)
        trace = sl.draw_trace(scenario, rng=0)
        found = sl.lower_bound(scenario, trace)
        time_ = seconds(lambda: sl.lower_bound(scenario, trace), 3)  # noqa: B023
        longest = max(longest, time_)
        print(
            f"  alpha_max = {alpha_max:3g} {time_:8.2f} s, {found.iterations} prices,"
            f" gap {found.gap / found.energy:.0e} of the energy"
        )
    verdict("the bound takes at most two seconds", longest <= 2)


def show_explorer() -> None:
    """Print the time from a slider's move to the repaint of the built page, on one core."""
    built = ROOT / "_build" / "html" / "book" / "index.html"
    if not built.is_file():
        print("The explorer: run `make book` first")
        return
    print("The explorer on the front page, 200,000 slots, Chromium without a screen")
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {min(cores)})  # Chromium inherits it
        print("  on one core")
    try:
        with launched() as chromium:
            page = chromium.new_page()
            page.goto(built.as_uri())
            page.wait_for_selector(".splitlib-explorer[data-curve=done]")
            # The label of a slider shows that it is ready to be dragged.
            page.wait_for_selector(".splitlib-p_max_mw .noUi-handle[aria-label]", state="attached")
            for name in ("V", "path_loss_exponent"):
                page.evaluate(_LATENCIES, {"name": name, "moves": 10})  # lets the browser compile
                times = page.evaluate(_LATENCIES, {"name": name, "moves": 60})
                repaint, curve = np.array(times)
                print(
                    f"  {name:20s} repaint after {np.median(repaint):.0f} ms (median; 9 of 10"
                    f" within {np.quantile(repaint, 0.9):.0f}), curve after {np.median(curve):.0f}"
                )
                verdict("the median repaint takes at most 60 ms", bool(np.median(repaint) <= 60))
                verdict("the curve follows within half a second", bool(np.median(curve) <= 500))
    finally:
        if cores:
            os.sched_setaffinity(0, cores)


def show_book() -> None:
    """Print the time to build the whole book from scratch in a ready environment."""
    cores = os.cpu_count() or 1
    print(f"The whole book at full length, {cores} notebooks at a time")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "book"
        generated = ("_build", "executed", "node_modules", ".*")
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*generated))
        (root / ".assets").symlink_to(ROOT / ".assets")
        start = time.perf_counter()
        command = [sys.executable, "-u", "-m", "tools.notebooks", "run"]
        done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
        notebooks_done = time.perf_counter() - start
        command = [sys.executable, "-m", "tools.book"]
        subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
        total = time.perf_counter() - start
    times = {name: float(s) for name, s in re.findall(r"^(\w+): ([\d.]+) s", done.stdout, re.M)}
    for name, time_ in sorted(times.items(), key=lambda item: -item[1]):
        print(f"  {name:24s} {time_:6.1f} s  {time_ / sum(times.values()):5.0%} of the notebooks")
    print(f"  {'building the pages':24s} {total - notebooks_done:6.1f} s")
    print(f"  {'all of it':24s} {total:6.1f} s")
    verdict("the whole book takes at most three minutes", total <= 180)


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}")
    compare_loops()
    show_growth()
    show_sweep()
    show_bound()
    show_explorer()
    show_book()
