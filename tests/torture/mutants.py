"""Change the model one operator or number at a time, and see whether the tests notice.

Cosmic Ray makes the changes. Each of them is tried in a copy of splitlib and tests, in a process
forked from one that has imported everything but splitlib, by the tests that are about the module.
So a change that is reported as caught is caught by these few; the whole suite may catch more.
"""

from __future__ import annotations

import ast
import gc
import json
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import parso
import pytest
import yaml
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from numba.core import config
from tqdm import tqdm

from tools.dependable import EQUIVALENT, UNEXPLAINED
from tools.fingerprint import ROOT

#: Which changes are not caught, and why.
LISTED = ROOT / "tests" / "torture" / "mutants.yml"
JOBS = 2

#: Tests of each module, those that catch most first.
TESTS = {
    "network": "tests/model/test_network.py splitlib/network.py",
    "zoo": "tests/model/test_network.py splitlib/zoo.py",
    "board": "tests/model/test_network.py tests/model/test_scenario.py splitlib/board.py",
    "channel": "tests/model/test_channel.py tests/model/test_scenario.py splitlib/channel.py",
    "scenario": "tests/model/test_scenario.py splitlib/scenario.py",
    "kernel": "tests/model/test_channel.py tests/model/test_policies.py::test_a_slot_by_hand"
    " tests/model/test_simulate.py tests/model/test_policies.py",
    "trace": "tests/model/test_trace.py tests/model/test_scenario.py tests/model/test_mrg32k3a.py"
    " splitlib/trace.py tests/model/test_simulate.py::test_bad_input_is_refused",
    "mrg32k3a": "tests/model/test_mrg32k3a.py",
    "loop": "tests/model/test_policies.py tests/model/test_simulate.py",
    "policies": "tests/model/test_policies.py",
    "bound": "tests/model/test_bound.py::test_ceiling_agrees_with_a_linear_program"
    " tests/model/test_bound.py",
    "simulate": "tests/model/test_simulate.py tests/reproduction/test_measures.py"
    " splitlib/simulate.py",
    "grid": "tests/model/test_simulate.py tests/model/test_compare.py",
    "statistics": "tests/model/test_statistics.py splitlib/statistics.py",
}

#: What of them is left out as slow, and what of those of the kernel, which runs uncompiled, is not.
SLOW = "not (dask or workers or agree_with_the_public)"
QUICK = {
    "kernel": "twins or power_series or log1p or by_hand or three_images or slot_by_slot"
    " or recursions or settled or closed_form or cost_nothing or without_gain or at_a_limit"
    " or ties_go or v_vanishes or v_grows or as_printed or minimize_the_problem or totals"
    " or results_cover and (adaptive or myopic) or follow_from_split and not clairvoyant"
    " or never_worse or no_slot_can_be_late"
}

#: Modules with compiled loops: these run as plain Python, which Numba's cache cannot mix up.
UNCOMPILED = {"kernel", "mrg32k3a", "trace"}

#: Cosmic Ray's operators that change what is computed. Left out is what raises a TypeError on
#: every float, such as `<<` for `*`: it would be caught without saying anything of the tests; and
#: comparisons that differ wherever one of these does, such as `<` in place of `>`, beside `!=`.
_ARITHMETIC, _BITS = "(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)", "(LShift|RShift|BitOr|BitAnd|BitXor)"
OPERATORS = re.compile(
    "NumberReplacer|AddNot|Replace(True|False|And|Or|Break|Continue)With.*"
    "|ReplaceUnaryOperator_Delete_.*"
    f"|ReplaceBinaryOperator_({_ARITHMETIC}_(Add|Sub|Mul|Div)|{_BITS}_{_BITS})"
    "|ReplaceComparisonOperator_(Eq_(NotEq|LtE|GtE)|NotEq_(Eq|Lt|Gt)|Lt_(LtE|NotEq)|LtE_(Lt|Eq)"
    "|Gt_(GtE|NotEq)|GtE_(Gt|Eq)|Is_IsNot|IsNot_Is)"
)

#: Everything that is slow to import, for each process to start with.
PRELOADED = [
    "__main__", "_hypothesis_pytestplugin", "doctest", "hypothesis.strategies", "joblib",
    "jupyter_client.connect", "mrg32k3a.mrg32k3a", "numba", "pandas", "pytest", "scipy.optimize",
    "scipy.signal", "scipy.stats", "tqdm.auto", "xarray", "xdist.scheduler",
]  # fmt: skip


#: Options that say how something is compiled, made or checked, and nothing of what is computed.
OPTIONS = {"cache", "nogil", "frozen", "eq", "kw_only", "strict"}


class AugmentedAssignment(Operator):
    """What Cosmic Ray leaves alone: ``+=`` and its like."""

    other = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", ">>=": "<<="}  # noqa: RUF012

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield where the operator can be applied to a node."""
        if isinstance(node, parso.python.tree.Operator) and node.value in self.other:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Apply it."""
        node.value = self.other[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what it does."""
        return (Example("x += 1", "x -= 1"),)


class Mutant(NamedTuple):
    """One change of one line."""

    module: str
    operator: str
    line: int
    before: str
    after: str


def operators() -> dict[str, Operator]:
    """Return the operators that are applied, by their names."""
    names = {name.removeprefix("core/"): name for name in plugins.operator_names()}
    chosen = {short: name for short, name in names.items() if OPERATORS.fullmatch(short)}
    ours = {"AugmentedAssignment": AugmentedAssignment()}
    return {short: plugins.get_operator(name)() for short, name in chosen.items()} | ours


def left_alone(source: str, order: bool) -> Iterator[tuple[Any, Any]]:
    """Yield where types and `OPTIONS` begin and end; and names, if they would be put in order."""
    for node in ast.walk(ast.parse(source)):
        parts = [(part, part) for part in map(vars(node).get, ("annotation", "returns")) if part]
        if isinstance(node, ast.keyword) and node.arg in OPTIONS:
            parts.append((node.value, node.value))
        last = node.comparators[-1] if order and isinstance(node, ast.Compare) else None
        if isinstance(last, ast.Constant) and isinstance(last.value, str):
            parts.append((node, last))
        for low, high in parts:
            yield (low.lineno, low.col_offset), (high.end_lineno, high.end_col_offset)


def mutants_of(module: str) -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant of a module with its source, but for what is not part of the model."""
    source = (ROOT / "splitlib" / f"{module}.py").read_text("utf-8")
    nodes = list(ast_nodes(get_ast(source)))
    for name, operator in operators().items():
        skipped = list(left_alone(source, bool(re.search("Eq_(Lt|Gt)", name))))
        places = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(places):
            changed = mutate_code(source, operator, occurrence)
            skip = any(low <= start < high for low, high in skipped)
            if not skip and not same_program(source, changed):
                line, before, after = first_difference(source, changed)
                yield Mutant(module, name, line, before, after), changed


def same_program(source: str, changed: str) -> bool:
    """Tell whether nothing has changed, as with a number too large for one more to matter."""
    try:
        return ast.dump(ast.parse(source)) == ast.dump(ast.parse(changed))
    except SyntaxError:
        return False


def first_difference(source: str, changed: str) -> tuple[int, str, str]:
    """Return number and text, before and after, of the line that differs."""
    pairs = zip(source.splitlines(), changed.splitlines(), strict=True)
    line, (before, after) = next((i, pair) for i, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return line, " ".join(before.split()), " ".join(after.split())


def run_tests(module: str, scratch: Path, limit: int) -> None:
    """Run the tests of a module in this process, and end it with their exit code."""
    # Of the processor's time: on a busy machine the clock would stop what is merely slow.
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    os.environ["NUMBA_DISABLE_JIT"] = str(int(module in UNCOMPILED))
    os.environ["NUMBA_CACHE_DIR"] = str(scratch / "numba")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    config.reload_config()
    gc.freeze()  # what has been preloaded is never collected
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(scratch))
    os.chdir(scratch)
    for stream in (1, 2):
        os.dup2(os.open("output", os.O_CREAT | os.O_TRUNC | os.O_WRONLY), stream)
    quick = ["-x", "-q", "--assert=plain", "--hypothesis-profile=ci", "-k", QUICK.get(module, SLOW)]
    loaded = ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
    sys.exit(pytest.main([*quick, *loaded, *TESTS[module].split()]))


def survives(module: str, source: str, scratch: Path, limit: int = 600) -> bool:
    """Tell whether the tests of a module pass, within a time, with another source of it."""
    path = scratch / "splitlib" / f"{module}.py"
    path.write_text(source, "utf-8")
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=run_tests, args=(module, scratch, limit))
    process.start()
    process.join()
    shutil.copy(ROOT / "splitlib" / path.name, path)
    return process.exitcode == 0


def survivors_of(mutants: dict[Mutant, str]) -> set[Mutant]:
    """Return the mutants that no test notices."""
    free: SimpleQueue[Path] = SimpleQueue()  # each process has a copy that it may change
    limits: dict[str, int] = {}
    compiled = shutil.ignore_patterns("__pycache__")

    def attempt(mutant: Mutant) -> bool:
        scratch = free.get()
        try:
            return survives(mutant.module, mutants[mutant], scratch, limits[mutant.module])
        finally:
            free.put(scratch)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as pool:
        for scratch in (Path(folder) / str(index) for index in range(JOBS)):
            for name in ("splitlib", "reproduction", "benchmarks", "tools", "tests"):
                shutil.copytree(ROOT / name, scratch / name, ignore=compiled)
            shutil.copy(ROOT / "pyproject.toml", scratch)
            free.put(scratch)
        for module in {mutant.module: None for mutant in mutants}:
            scratch, start = free.get(), time.perf_counter()
            if not survives(module, (ROOT / "splitlib" / f"{module}.py").read_text(), scratch):
                raise SystemExit((scratch / "output").read_text("utf-8"))
            limits[module] = 20 + 5 * int(time.perf_counter() - start)
            free.put(scratch)
        found = tqdm(pool.map(attempt, mutants), "mutants", len(mutants))
        return {mutant for mutant, alive in zip(mutants, found, strict=True) if alive}


def report(mutants: Iterable[Mutant], alive: set[Mutant]) -> Iterator[dict[str, Any]]:
    """Yield the counts of each module; print what is alive or listed for no reason."""
    listed = {
        (module, entry["line"], after): entry
        for module, entries in yaml.safe_load(LISTED.read_text("utf-8")).items()
        for entry in entries
        for after in entry["becomes"]
    }
    tried = Counter(mutant.module for mutant in mutants)
    keys = [(mutant.module, mutant.before, mutant.after) for mutant in alive]
    for module, trials in tried.items():
        why = [listed.get(key, {}) for key in keys if key[0] == module]
        ways = {EQUIVALENT: sum(each.get("equivalent", False) for each in why)}
        ways[UNEXPLAINED] = why.count({})
        yield {"what": module, "trials": trials, "failed": len(why), "ways": ways}
    for key in sorted(set(keys) - listed.keys()):
        print("survived, for no listed reason:", *key, file=sys.stderr)
    for key in sorted(each for each in listed.keys() - set(keys) if each[0] in tried):
        print("listed, but caught or not tried:", *key, file=sys.stderr)


def main() -> None:
    """Try the mutants of some modules, or of all; print the counts as JSON."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    modules = sys.argv[1:] or list(TESTS)
    mutants = {mutant: source for module in modules for mutant, source in mutants_of(module)}
    print(json.dumps(list(report(mutants, survivors_of(mutants)))))


if __name__ == "__main__":
    main()
