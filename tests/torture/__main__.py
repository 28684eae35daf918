"""Try to make the runner lie: ``make torture``.

Each part returns rows of trials and failures for the tables of the book's page on how dependable it
is; they go to ``book/torture.json``. Plain papermill goes through the same kills as a control.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import nbformat
import psutil
from tqdm import tqdm

from tests.reproduction.small_runs import write_small
from tests.runner.bad_inputs import bad_inputs
from tests.runner.projects import STUB, notebook
from tools import cells, manifest
from tools.dependable import UNEXPLAINED
from tools.fingerprint import ROOT

RESULTS = ROOT / "book" / "torture.json"
SEED = 2023
WORKERS = 2
HANGS = 120  # seconds after which something that should end at once never will

Row = dict[str, Any]
Act = Callable[[Any], object] | str


def row(what: str, wrong: list[list[str]]) -> Row:
    """Return what was tried how often, and what has failed; a trial says ``way: detail``."""
    for said in filter(None, wrong):
        tqdm.write(f"{what}: {'; '.join(said)}")
    ways = Counter(way for said in wrong for way in {each.partition(":")[0] for each in said})
    failed = sum(map(bool, wrong))
    return {"what": what, "trials": len(wrong), "failed": failed, "ways": dict(ways.most_common())}


def checkout(folder: Path) -> Path:
    """Copy what is under version control, as it is now."""
    folder.mkdir()
    copy = f"git ls-files -z | xargs -0 cp --parents -t '{folder}'"
    subprocess.run(copy, shell=True, cwd=ROOT, check=True)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder that may be swapped at any time."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for path in (Path(place) / name for name in names if not name.endswith(".lock")):
            with contextlib.suppress(FileNotFoundError):
                found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def try_bad_inputs() -> list[Row]:
    """Give the command line what cannot be, in a process each time."""

    def attempt(entry) -> list[str]:
        name, arguments, breaking = entry
        root = clean
        if breaking:
            root = shutil.copytree(clean, Path(folder) / f"broken-{name[:3]}")
            breaking(root)
        before = files_in(root)
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        faults = {
            f"exit code: {done.returncode} of {name}": done.returncode != 2,
            f"words: {name} {said[-200:]}": said.count("\n") > 3 or "Traceback" in said,
            f"files have changed: {name}": files_in(root) != before,
        }
        return [what for what, found in faults.items() if found]

    with tempfile.TemporaryDirectory() as folder:
        clean = checkout(Path(folder) / "clean")
        nbformat.write(notebook("1"), clean / "notebooks" / "one.ipynb")
        entries = bad_inputs()
        with ThreadPoolExecutor(WORKERS) as pool:
            wrong = list(tqdm(pool.map(attempt, entries), "bad inputs", len(entries)))
    return [row("bad inputs", wrong)]


#: A second of work that leaves files behind slowly. Then it waits for a gate to be open.
SLOWLY = """
import time
from pathlib import Path
for name in ("data/0.csv", "data/1.csv", "figures/one.svg"):
    Path(name).parent.mkdir(exist_ok=True)
    with open(name, "w") as file:
        for line in range(40):
            print(f"{{version}},{{name}},{{line}}\\n" * 100 * version, file=file, flush=True)
            time.sleep(0.01)
while not Path({!r}).exists():
    time.sleep(0.01)
"""

#: Runs a module, and kills it just before a step of a number, the first of which is 1. Steps are
#: what changes names or begins to write in a place.
STEPS = """
import os, runpy, signal, sys
place, log, last, module = sys.argv[1:5]
sys.argv = sys.argv[4:]
log, steps = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), []
def hook(event, arguments):
    removes = event in ("os.remove", "os.rmdir")
    changes = removes or event in ("os.rename", "os.mkdir")
    if changes or event == "open" and set(arguments[1] or "") & set("wax+"):
        if place in str(arguments[0]) or removes and arguments[1] >= 0:
            steps.append(event)
            os.write(log, f"{event} {arguments[0]}\\n".encode())
            if len(steps) == int(last):
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class Started(subprocess.Popen[str]):
    """A process group of Python whose words go to a file, which need not be read meanwhile."""

    def __init__(self, arguments: Sequence[str], root: Path) -> None:
        self.said, self.root = tempfile.TemporaryFile("w+"), root  # noqa: SIM115
        files = {"stdout": self.said, "stderr": subprocess.STDOUT}
        super().__init__([sys.executable, *arguments], cwd=root, start_new_session=True, **files)

    def end(self) -> str:
        """Wait for its end; return what it has said."""
        self.wait(HANGS)
        self.said.seek(0)
        return self.said.read()


def processes_in(root: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder."""
    every = psutil.process_iter(["cwd"])
    return [process for process in every if f"{process.info['cwd']}/".startswith(f"{root}/")]


def kill_kernel(running: Started) -> int:
    """End the kernel, as the system does when memory runs out; return how many there were."""
    return len([process.kill() for process in processes_in(running.root / "book")])


#: How to end a run, and whether it is one of a notebook or one of many, as by `make figures`.
KILLS = {
    "SIGKILL to the runner": (Started.kill, "one"),
    "SIGKILL to the runner at one of its last 20 steps on files": ("step", "one"),
    "SIGKILL to the runner halfway through the swap of old and new": ("swap", "one"),
    "SIGKILL to the kernel": (kill_kernel, "one"),
    "SIGKILL to the process group": (lambda run: os.killpg(run.pid, signal.SIGKILL), "many"),
    "SIGTERM": (Started.terminate, "many"),
    "SIGINT": (lambda run: run.send_signal(signal.SIGINT), "one"),
}


def try_kills(kind: type[Bench], trials: int = 20) -> list[Row]:
    """End runs at random moments, and look at what is left."""
    found: dict[str, list[list[str]]] = {what: [] for what in KILLS}
    free: SimpleQueue[Bench] = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        for index in range(WORKERS):
            free.put(kind(Path(folder) / str(index)))

        def attempt(job: tuple[int, str]) -> None:
            bench = free.get()
            found[job[1]].append(bench.attempt(*KILLS[job[1]], job[0], random.Random(f"{job}")))
            free.put(bench)

        jobs = [(index, what) for index in range(trials) for what in KILLS]
        list(tqdm(pool.map(attempt, jobs), "kills", len(jobs)))
    return [row(what, wrong) for what, wrong in found.items()]


class Bench:
    """A project whose last good output is that of another version of its notebook."""

    one = ("tools.run", "one", "--brief")
    many = ("tools.notebooks", "run", "one")
    swap = re.compile("os.rename .*[.]one[.]staging")  # the second of the two renames

    def __init__(self, root: Path) -> None:
        checkout(root)
        for path in manifest.notebooks(root):
            path.unlink()
        self.root, self.gate, self.log = root, root / "gate", root / "log"
        self.folder = manifest.executed(root) / "one"
        self.folder.mkdir(parents=True)
        self.gate.touch()
        self.good: dict[int, dict[str, bytes]] = {}
        for self.version in (1, 2):
            self.write()
            begin = time.monotonic()
            self.finish(kill_at=0)
            self.seconds = time.monotonic() - begin
            self.good[self.version] = self.files()
        self.steps = self.log.read_text().splitlines()

    def complete(self) -> bool:
        """Tell whether the files are said to be those of today's notebook."""
        return not manifest.problems(manifest.notebooks(self.root), self.root)

    def files(self) -> dict[str, bytes]:
        """Return what is there, be it hidden, but for the manifest, which tells the time."""
        found = files_in(self.folder) or files_in(self.folder.with_name(".one.old"))
        return {name: data for name, data in found.items() if name != manifest.NAME}

    def write(self) -> None:
        """Write the notebook, whose files tell which version of it has run."""
        sources = (SLOWLY.format(str(self.gate)), "[version] * 3")
        made = notebook(*sources, parameters=f"version: int = {self.version}", start=STUB)
        nbformat.write(made, self.root / "notebooks" / "one.ipynb")

    def switch(self) -> dict[str, bytes]:
        """Write the other version; return the files of this one."""
        old, self.version = self.good[self.version], 3 - self.version
        self.write()
        return old

    def start(self, runs: str = "one", kill_at: int | None = None) -> Started:
        """Start a run, to be killed just before one of its steps, if any; they count from 1."""
        counted = ["-c", STEPS, "book/executed", str(self.log), str(kill_at)]
        arguments = ["-m"] if kill_at is None else counted
        return Started([*arguments, *getattr(self, runs)], self.root)

    def finish(self, kill_at: int | None = None) -> None:
        """Have a run that nobody disturbs come to its end."""
        running = self.start(kill_at=kill_at)
        said = running.end()
        assert running.returncode == 0, said

    def attempt(self, act: Act, runs: str, index: int, chance: random.Random) -> list[str]:
        """End a run of the other version; return what is wrong after it, and after another run.

        Half of the notebooks would never end, so that what outlives its runner is found. A run that
        has ended before its moment came does not count, and another one is run.
        """
        in_time = False
        while not in_time:
            old, folder = self.switch(), self.folder.stat().st_ino
            if isinstance(act, str):
                swap = [n for n, step in enumerate(self.steps, 1) if self.swap.fullmatch(step)][-1]
                at = swap if act == "swap" else max(1, len(self.steps) - index)
                running = self.start(runs, at)
                killed = running.wait(HANGS) == -signal.SIGKILL
                last = self.log.read_text().splitlines()[-1]
                in_time = killed and (act != "swap" or bool(self.swap.fullmatch(last)))
            else:
                if chance.random() < 0.5:
                    self.gate.unlink()
                running = self.start(runs)
                time.sleep(chance.uniform(0, self.seconds))
                while (in_time := running.poll() is None) and act(running) == 0:  # no kernel yet
                    time.sleep(0.01)
        return self.look(running, old, folder, chance.random() < 0.5)

    def look(self, running: Started, old: dict[str, bytes], folder: int, back: bool) -> list[str]:
        """Return what is wrong after an ended run, and after the next, its edit kept or undone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.end()
        _, alive = psutil.wait_procs(processes_in(self.root), timeout=HANGS)
        wrong = [f"it does not end: {process.pid}" for process in alive if not process.kill()]
        self.gate.touch()
        present, new = self.files(), self.good[self.version]
        wrong += (broken := broken_in(present, (old, new)))
        # Plain papermill knows no sources: to it, the last good output is complete too.
        whole = present == new or (present == old and isinstance(self, Papermill))
        faults = {
            "files of the old and of the new version": not broken and present not in (old, new),
            "complete, it says, and is not": self.complete() and not whole,
            "exit code 0 of an unfinished run": running.returncode == 0 and present != new,
            "a file of the last good output is lost": not old.keys() <= present.keys(),
        }
        if back:
            self.switch()
        self.finish()
        other = self.folder.stat().st_ino != folder
        faults["the next run makes other bytes"] = self.files() != self.good[self.version]
        faults["the next run makes anew what was there"] = back and present == old and other
        return wrong + [what for what, found in faults.items() if found]


class Papermill(Bench):
    """The same with plain papermill."""

    _output = "book/executed/one/index.ipynb"
    one = many = ("papermill", "notebooks/one.ipynb", _output, "--cwd", "book/executed/one")
    swap = re.compile("open .*index[.]ipynb")  # it saves its notebook, for the last time

    def complete(self) -> bool:
        """Tell whether its notebook says that all cells are completed."""
        with contextlib.suppress(ValueError, AttributeError, KeyError):
            executed = nbformat.read(self.folder / manifest.NOTEBOOK, as_version=4)
            return {c.metadata["papermill"]["status"] for c in executed.cells} == {"completed"}
        return False

    def files(self) -> dict[str, bytes]:
        """Return what is there, without what differs from run to run."""
        found = files_in(self.folder)
        with contextlib.suppress(ValueError, AttributeError, KeyError):  # half a file stays
            executed = nbformat.reads(found[manifest.NOTEBOOK].decode(), as_version=4)
            found[manifest.NOTEBOOK] = nbformat.writes(cells.deterministic(executed)).encode()
        return found


def broken_in(present: dict[str, bytes], known: tuple[dict[str, bytes], ...]) -> list[str]:
    """Return what is neither the old nor the new file."""
    wrong = []
    for name, data in present.items():
        if all(data != files.get(name) for files in known):
            try:
                nbformat.reads(data.decode(), as_version=4)
                wrong.append(f"an unfinished notebook in place of the last good one: {name}")
            except (ValueError, AttributeError):
                wrong.append(f"half a file: {name}")
    return wrong


def try_pairs(trials: int = 30) -> list[Row]:
    """Start two runners of one notebook, and read its files all the while."""
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "pair")
        wrong = [_pair(bench, chance) for _ in tqdm(range(trials), "pairs")]
    return [row("pairs of runners of one notebook", wrong)]


def _pair(bench: Bench, chance: random.Random) -> list[str]:
    known = (bench.switch(), bench.good[bench.version])
    first = bench.start()
    time.sleep(chance.uniform(0, bench.seconds))
    second = bench.start("many")
    read = set()
    while first.poll() is None or second.poll() is None:
        read |= {*broken_in(bench.files(), known)}
    said = first.end() + second.end()
    wrong = sorted(read)
    if first.returncode or second.returncode or said.count("one: running") != 1:
        wrong.append(f"not run once, and well: {said}")
    if not bench.complete() or bench.files() != known[1]:
        wrong.append("not what one runner leaves:")
    return wrong


def try_flips(trials: int = 100) -> list[Row]:
    """Flip one bit of one file that a notebook has made."""
    chance, wrong = random.Random(SEED), []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "flips")
        for name in chance.choices(sorted(bench.files()), k=trials):
            path = bench.folder / name
            good = path.read_bytes()
            flipped, position = bytearray(good), chance.randrange(len(good))
            flipped[position] ^= 1 << chance.randrange(8)
            path.write_bytes(flipped)
            found = manifest.problems(manifest.notebooks(bench.root), bench.root)
            path.write_bytes(good)
            named = found == [f"one: {name} is altered"]
            wrong.append([] if named else [f"not found: {name}, byte {position}"])
    return [row("flipped bits in what a notebook has made", wrong)]


THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

#: In what environments all notebooks are run, each in a checkout where nothing is compiled yet.
SAME_BYTES = {
    "one at a time, on one thread": {"RUN": "flock lock"} | dict.fromkeys(THREADS, "1"),
    "nothing compiled at all": {"NUMBA_DISABLE_JIT": "1"},
    "eight threads, another hash order": {"PYTHONHASHSEED": "2"} | dict.fromkeys(THREADS, "8"),
}


def try_numbers() -> list[Row]:
    """Run all notebooks, small, in other ways, and compare their data."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        reference = small_data(Path(folder) / "reference", {})
        for name, environment in tqdm(SAME_BYTES.items(), "numbers"):
            data = small_data(Path(folder) / name, environment)
            wrong.append(
                [f"other bytes: {n}, {name}" for n in reference if data[n] != reference[n]]
            )
    return [row("all notebooks, in small, in other orders and environments, byte for byte", wrong)]


def small_data(root: Path, environment: dict[str, str]) -> dict[str, bytes]:
    """Run all notebooks, small, in a checkout; return their data."""
    checkout(root)
    runs, plain = [["tools.notebooks", "run"]], []
    for path in manifest.notebooks(root):
        write_small(path, path)
        target = manifest.executed(root) / path.stem
        plain.append(["papermill", str(path), f"{target}/index.ipynb", "--cwd", str(target)])
        if "PYTHONHASHSEED" in environment:  # which the runner sets itself
            target.mkdir(parents=True)
            runs = plain
    for arguments in runs:
        subprocess.run(
            [sys.executable, "-m", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(root)} | environment,
        )  # fmt: skip
    tables = manifest.executed(root).glob("*/data/*.csv")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(tables)}


def try_suite(trials: int = 5) -> list[Row]:
    """Run the tests in random order; nbval's cells, which have an order, are left out."""
    wrong = []
    for index in tqdm(range(trials), "test suites"):
        arguments = ["-n", "3", "-q", "--random-order-bucket=global"]
        arguments += [f"--random-order-seed={SEED + index}", "splitlib", "reproduction", "tests"]
        arguments += ["--ignore=tests/torture/test_dependable.py"]  # waits for what this finds
        command = [sys.executable, "-m", "pytest", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        wrong.append([f"red: {done.stdout[-2000:]}"] * bool(done.returncode))
    return [row("the test suite in random order", wrong)]


def try_mutants() -> list[Row]:
    """Change each number and operator of the model; the reasons of survivors are listed."""
    command = [sys.executable, "-m", "tests.torture.mutants"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    return list(json.loads(done.stdout))


PARTS = {
    "inputs": try_bad_inputs, "kills": lambda: try_kills(Bench),
    "control": lambda: try_kills(Papermill), "pairs": try_pairs, "flips": try_flips,
    "numbers": try_numbers, "suite": try_suite, "mutants": try_mutants,
}  # fmt: skip


def main() -> int:
    """Try some parts, or all; write the results; return 1 if the runner has failed in one."""
    bad, commit = False, subprocess.getoutput(f"git -C {ROOT} rev-parse --short=7 HEAD")
    if subprocess.getoutput(f"git -C {ROOT} status --porcelain -- . :!book/torture.json"):
        commit += " and later changes"
    # A shell ignores Ctrl-C for what it starts in the background, and children would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for part in sys.argv[1:] or PARTS:
        rows = PARTS[part]()
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        known[part] = [{"note": ""} | each | {"commit": commit} for each in rows]
        known = {name: known[name] for name in PARTS if name in known}
        RESULTS.write_text(json.dumps(known, indent=1) + "\n")
        for each in rows:
            print("{what}: {failed} of {trials} failed {ways}".format(**each))
            failed = each["ways"].get(UNEXPLAINED) if part == "mutants" else each["failed"]
            bad |= bool(failed) and part != "control"
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
