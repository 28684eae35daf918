"""Try to make the runner lie: ``make torture``.

Each part returns rows of trials and failures for the table of the book's page on how dependable it
is; they go to ``book/torture.json``, part by part, so that a part can be tried again alone. Plain
papermill goes through the same kills as a control.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import psutil
from tqdm import tqdm

from tests.reproduction.small_runs import write_small
from tests.runner.bad_inputs import bad_inputs
from tests.runner.projects import STUB, notebook, outputs, results
from tools import cells, fingerprint, manifest, notebooks
from tools.dependable import EQUIVALENT

ROOT = fingerprint.ROOT
RESULTS = ROOT / "book" / "torture.json"
SEED = 2023
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
WORKERS = 2
UNEXPLAINED = "without a listed reason"


@dataclass
class Row:
    """A line of the table: what was tried how often and at which commit, and what has failed."""

    what: str
    trials: int
    failed: int
    ways: dict[str, int]
    note: str = ""
    commit: str = ""


def row(what: str, wrong: list[list[str]], note: str = "") -> Row:
    """Return the row of trials that each say what was wrong, as ``way: detail``."""
    for said in filter(None, wrong):
        tqdm.write(f"{what}: {'; '.join(said)}")
    ways = Counter(way for said in wrong for way in {each.partition(":")[0] for each in said})
    return Row(what, len(wrong), sum(map(bool, wrong)), dict(ways.most_common()), note)


def checkout(folder: Path) -> Path:
    """Copy what is under version control, as it is now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def command(*arguments: str) -> list[str]:
    """Return the command line of the runner."""
    return [sys.executable, "-m", "tools.notebooks", *arguments]


# ---- bad inputs ----


def try_bad_inputs() -> list[Row]:
    """Give the command line what cannot be, in a process each time."""

    def attempt(entry) -> list[str]:
        name, arguments, breaking = entry
        root = clean
        if breaking:
            root = shutil.copytree(clean, Path(folder) / f"broken-{name[:3]}")
            breaking(root)
        before = outputs(root)
        done = subprocess.run(
            command(*arguments), cwd=root, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        wrong = []
        if done.returncode != 2:
            wrong.append(f"exit code: {done.returncode} of {name}")
        if said.count("\n") > 3 or "Traceback" in said:
            wrong.append(f"too many words: {name} {said[-200:]}")
        if outputs(root) != before:
            wrong.append(f"files have changed: {name}")
        return wrong

    with tempfile.TemporaryDirectory() as folder:
        clean = checkout(Path(folder) / "clean")
        subprocess.run(command("check"), cwd=clean, check=True)  # compiles the modules
        nbformat.write(notebook("1"), clean / "notebooks" / "one.ipynb")
        entries = bad_inputs()
        with ThreadPoolExecutor(WORKERS) as pool:
            wrong = list(tqdm(pool.map(attempt, entries), "bad inputs", len(entries)))
    return [row("bad inputs", wrong)]


# ---- kills ----

#: Two seconds of work that leaves files behind slowly, as a long notebook does.
SLOWLY = """
import time
from pathlib import Path
for folder in ("data", "figures"):
    Path(folder).mkdir(exist_ok=True)
for index in range(40):
    with open(f"data/{index}.csv", "w") as file:
        for line in range(400 * version):
            file.write(f"{version},{index},{line}\\n")
            if line % (100 * version) == 0:
                file.flush()
                time.sleep(0.008)
""".strip()
FIGURE = 'Path("figures/one.svg").write_text("<svg>" + f"<!-- {version} -->" * 20_000 + "</svg>")'
WAIT = "time.sleep(0.3)\n[version] * 3"


def write_version(root: Path, version: int) -> None:
    """Write the notebook whose files tell which version of it has run."""
    made = notebook(SLOWLY, FIGURE, WAIT, parameters=f"version: int = {version}", start=STUB)
    nbformat.write(made, root / "notebooks" / "one.ipynb")


class Runner:
    """This project's runner."""

    name = "the runner"

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, manifest.folder_of_book(root)

    def start(self) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        return _start(command("run", "one"), self.root)

    def complete(self) -> bool:
        """Tell whether the files are said to be those of today's notebook."""
        return not notebooks.problems([self.root / "notebooks" / "one.ipynb"], self.root)

    def oddities(self) -> list[str]:
        """Return what else it says that is not so."""
        return []

    def is_moving(self, begin: float) -> bool:
        """Tell whether files are being put into place, after a start at that time."""
        return (self.folder / ".staging" / "one" / "one.json").exists()


class Papermill(Runner):
    """Plain papermill, with the same notebook and folder."""

    name = "plain papermill"

    def start(self) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = ["notebooks/one.ipynb", "book/executed/one.ipynb", "--cwd", "book/executed"]
        return _start(
            [sys.executable, "-m", "papermill", *arguments, "--no-progress-bar"], self.root
        )

    def complete(self) -> bool:
        """Tell whether its notebook says that all cells are completed."""
        try:
            executed = nbformat.read(self.folder / "one.ipynb", as_version=4)
        except (OSError, ValueError, AttributeError):
            return False
        return all(_called_completed(cell) for cell in executed.cells)

    def oddities(self) -> list[str]:
        """Return cells that are called completed and were not."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            executed = nbformat.read(self.folder / "one.ipynb", as_version=4)
            if any(_called_completed(c) and c.execution_count is None for c in executed.cells):
                return ["a cell that was killed is called completed:"]
        return []

    def is_moving(self, begin: float) -> bool:
        """Tell whether it has begun to write its notebook."""
        return (self.folder / "one.ipynb").stat().st_mtime > begin


def _called_completed(cell) -> bool:
    return cell.metadata.get("papermill", {}).get("status") == "completed"


def _start(arguments: list[str], root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments, cwd=root, text=True, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def kernels_in(root: Path) -> list[psutil.Process]:
    """Return the kernels that work in a folder."""
    found = []
    for process in processes_in(root):
        with contextlib.suppress(psutil.Error):
            if {"tools.notebook_kernel", "ipykernel_launcher"} & {*process.cmdline()}:
                found.append(process)
    return found


def processes_in(root: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd().removesuffix(" (deleted)").startswith(f"{root}/"):
                found.append(process)
    return found


def kill_runner(running: subprocess.Popen[str], root: Path) -> bool:
    """End the runner without a word."""
    os.kill(running.pid, signal.SIGKILL)
    return True


def kill_group(running: subprocess.Popen[str], root: Path) -> bool:
    """End the runner and what shares its process group."""
    os.killpg(running.pid, signal.SIGKILL)
    return True


def kill_kernel(running: subprocess.Popen[str], root: Path) -> bool:
    """End the kernel, as the system does when memory runs out; tell whether there was one."""
    kernels = kernels_in(root / "book")
    for process in kernels:
        process.kill()
    return bool(kernels)


def terminate(running: subprocess.Popen[str], root: Path) -> bool:
    """Ask the runner to end."""
    os.kill(running.pid, signal.SIGTERM)
    return True


def interrupt(running: subprocess.Popen[str], root: Path) -> bool:
    """Press Ctrl-C."""
    os.kill(running.pid, signal.SIGINT)
    return True


#: How to end a run, how often, and whether only while its files are being put into place.
KILLS = [
    ("SIGKILL to the runner", kill_runner, 30, False),
    ("SIGKILL to the runner while files are put into place", kill_runner, 20, True),
    ("SIGKILL to the kernel", kill_kernel, 40, False),
    ("SIGKILL to the process group", kill_group, 30, False),
    ("SIGTERM", terminate, 30, False),
    ("SIGINT", interrupt, 30, False),
]


def try_kills(kind: type[Runner] = Runner) -> list[Row]:
    """End runs at random moments, and look at what is left; then fill the disk."""
    jobs = [
        (what, act, index, moving) for what, act, times, moving in KILLS for index in range(times)
    ]
    found: dict[str, list[list[str]]] = {what: [] for what, *_ in KILLS}
    with tempfile.TemporaryDirectory() as folder:
        bench = [Bench(kind, checkout(Path(folder) / str(index))) for index in range(WORKERS)]
        with ThreadPoolExecutor(WORKERS) as pool, tqdm(total=len(jobs), desc=kind.name) as bar:

            def attempt(job) -> None:
                what, act, index, moving = job
                own = bench[int(threading.current_thread().name[-1])]
                chance = random.Random(f"{SEED}{what}{index}")
                found[what].append(own.attempt(act, chance, moving))
                bar.update()

            list(pool.map(attempt, jobs))
    return [*(row(what, wrong) for what, wrong in found.items()), try_full_disks(kind)]


def try_control() -> list[Row]:
    """Have plain papermill go through the same."""
    return try_kills(Papermill)


class Bench:
    """A project whose last good output is that of another version of its notebook."""

    def __init__(self, kind: type[Runner], root: Path) -> None:
        shutil.rmtree(root / "notebooks")
        (root / "notebooks").mkdir()
        self.runner, self.root = kind(root), root
        self.good: dict[int, dict[str, bytes]] = {}
        for version in (1, 2):
            write_version(root, version)
            begin = time.monotonic()
            self._finish()
            self.seconds = time.monotonic() - begin
            self.good[version] = self._results()
        self.version = 2

    def attempt(self, act, chance: random.Random, moving: bool) -> list[str]:
        """End a run of the other version; return what is wrong after it, and after another run.

        One that has ended before its moment came does not count, and another one is run.
        """
        old, self.version = self.version, 3 - self.version
        write_version(self.root, self.version)
        running, begin = self.runner.start(), time.time()
        self._wait(running, begin, chance, moving, act is kill_kernel)
        in_time = running.poll() is None and (not moving or self.runner.is_moving(begin))
        if in_time and act(running, self.root):
            return self.look(running, old)
        running.communicate()
        return self.attempt(act, chance, moving)

    def look(self, running: subprocess.Popen[str], old: int) -> list[str]:
        """Return what is wrong after a run that was ended, and after the next one."""
        try:
            running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            return ["it did not end: within 20 s"]
        wrong = []
        _, alive = psutil.wait_procs(processes_in(self.root / "book"), timeout=5)
        for process in alive:
            wrong.append(f"orphan: process {process.pid} after 5 s")
            process.kill()
        present, new = self._results(), self.good[self.version]
        known = (self.good[old], new)
        wrong += _broken(present, known)
        complete = self.runner.complete()
        # Plain papermill knows no sources: to it, the last good output is complete too.
        if complete and present not in known[type(self.runner) is Runner :]:
            wrong.append("complete, it says, and is not:")
        if running.returncode == 0 and present != new:
            wrong.append("exit code 0 of an unfinished run:")
        if any(name not in present for name in known[0]):
            wrong.append("lost: a file of the last good output")
        wrong += self.runner.oddities()
        self._finish()
        if self._results() != new:
            wrong.append("the next run: its bytes are other ones")
        return wrong

    def _wait(
        self, running, begin: float, chance: random.Random, moving: bool, kernel: bool
    ) -> None:
        """Wait for the moment."""
        if moving:
            while running.poll() is None and not self.runner.is_moving(begin):
                time.sleep(0)
            time.sleep(chance.uniform(0, 0.01))
        elif kernel:
            while running.poll() is None and not kernels_in(self.root / "book"):
                time.sleep(0.02)
            time.sleep(chance.uniform(0, 0.6 * self.seconds))
        else:
            time.sleep(chance.uniform(0, self.seconds))

    def _finish(self) -> None:
        """Run to the end."""
        running = self.runner.start()
        _, said = running.communicate(timeout=120)
        if running.returncode != 0:
            raise RuntimeError(f"a run that nobody disturbs has failed: {said}")

    def _results(self) -> dict[str, bytes]:
        """Return the files that are there, without what differs from run to run."""
        found = results(self.runner.folder)
        if isinstance(self.runner, Papermill) and "one.ipynb" in found:
            with contextlib.suppress(ValueError, AttributeError, KeyError):  # half a file stays
                found["one.ipynb"] = _timeless(found["one.ipynb"])
        return found


def _broken(present: dict[str, bytes], known: tuple[dict[str, bytes], ...]) -> list[str]:
    """Return what is neither the old nor the new file."""
    wrong = []
    for name, data in present.items():
        if ".failed." in name or any(data == files.get(name) for files in known):
            continue
        try:
            nbformat.reads(data.decode(), as_version=4)
            wrong.append(f"an unfinished notebook in place of the last good one: {name}")
        except (ValueError, AttributeError):
            wrong.append(f"half a file: {name}")
    return wrong


def _timeless(data: bytes) -> bytes:
    """Return papermill's notebook without its times, so that two of them can be compared."""
    executed = nbformat.reads(data.decode(), as_version=4)
    return nbformat.writes(cells.deterministic(executed)).encode()


def try_full_disks(kind: type[Runner], trials: int = 20) -> Row:
    """Run on a disk of memory that is too small, by some amount."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(kind, checkout(Path(folder) / "disk"))
        for index in tqdm(range(trials), f"full disk, {kind.name}"):
            chance = random.Random(f"{SEED}disk{index}")
            wrong.append(_on_a_full_disk(bench, bench.runner.folder, chance))
    return row("a full disk", wrong)


def _on_a_full_disk(bench: Bench, target: Path, chance: random.Random) -> list[str]:
    """Run the second version, whose files are twice as large, where there is no room for them."""
    write_version(bench.root, 1)
    bench._finish()
    kept = target.with_name("kept")
    shutil.copytree(target, kept)
    used = sum(path.stat().st_blocks * 512 for path in kept.rglob("*"))
    size = used + chance.randrange(16_000, used // 4)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", target)
    try:
        shutil.copytree(kept, target, dirs_exist_ok=True)
        write_version(bench.root, 2)
        running = bench.runner.start()
        _, said = running.communicate(timeout=60)
        present, known = bench._results(), (bench.good[1], bench.good[2])
        wrong = _broken(present, known)
        if running.returncode == 0 and present != known[1]:
            wrong.append("exit code 0 of an unfinished run:")
        if running.returncode != 0 and "o space" not in said:
            wrong.append(f"no word of the disk: {said[-100:]}")
        if bench.runner.complete() and present not in known[type(bench.runner) is Runner :]:
            wrong.append("complete, it says, and is not:")
        if any(name not in present for name in known[0]):
            wrong.append("lost: a file of the last good output")
        _mount("-o", "remount,size=100m", target)
        bench._finish()
        if bench._results() != known[1]:
            wrong.append("the next run: its bytes are other ones")
    finally:
        subprocess.run(["umount", str(target)], check=True)
    shutil.rmtree(target)
    os.replace(kept, target)
    return wrong


def _mount(*arguments: object) -> None:
    command = ["mount", *map(str, arguments)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit("A small disk of memory must be mounted: run this as root.") from None


# ---- two at once ----


def try_pairs(trials: int = 50) -> list[Row]:
    """Start two runners on the same output, and read it all the while."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Runner, checkout(Path(folder) / "pair"))
        chances = [random.Random(f"{SEED}pair{index}") for index in range(trials)]
        wrong = [_pair(bench, chance) for chance in tqdm(chances, "pairs")]
    return [row("pairs of runners on one output", wrong)]


def _pair(bench: Bench, chance: random.Random) -> list[str]:
    old, bench.version = bench.version, 3 - bench.version
    write_version(bench.root, bench.version)
    known = (bench.good[old], bench.good[bench.version])
    first = bench.runner.start()
    time.sleep(chance.uniform(0, bench.seconds))
    second = bench.runner.start()
    wrong = []
    while first.poll() is None or second.poll() is None:
        wrong += _broken(bench._results(), known)
    for running in (first, second):
        _, said = running.communicate()
        if running.returncode != 0:
            wrong.append(f"exit code: {running.returncode} {said[-200:]}")
    if not bench.runner.complete() or bench._results() != known[1]:
        wrong.append("not what one runner leaves:")
    return wrong


# ---- flipped bytes ----


def try_flips(trials: int = 100) -> list[Row]:
    """Flip one bit of one artefact of the whole book."""
    with tempfile.TemporaryDirectory() as folder:
        root = checkout(Path(folder) / "book")
        executed = manifest.folder_of_book(root)
        shutil.copytree(manifest.folder_of_book(ROOT), executed)
        if found := notebooks.problems(fingerprint.notebooks(root), root):
            raise SystemExit(f"{found[0]}\nRun `make figures` first.")
        known = sorted(executed.glob("*.json"))
        for path in list(known):
            known += [executed / name for name in manifest.read(path)["outputs"]]
        chance = random.Random(SEED)
        wrong = [_flip(chance.choice(known), root, chance) for _ in tqdm(range(trials), "flips")]
    return [row("flipped bits in the book's artefacts", wrong)]


def _flip(path: Path, root: Path, chance: random.Random) -> list[str]:
    good = path.read_bytes()
    flipped = bytearray(good)
    position = chance.randrange(len(good))
    flipped[position] ^= 1 << chance.randrange(8)
    path.write_bytes(flipped)
    name = path.relative_to(manifest.folder_of_book(root)).as_posix()
    found = any(name in fault for fault in notebooks.problems(fingerprint.notebooks(root), root))
    path.write_bytes(good)
    return [] if found else [f"not found: {name}, byte {position}"]


# ---- the same numbers everywhere ----

#: Ways to run all notebooks that must give the same bytes: arguments and environment. Each is
#: tried in a checkout of its own, where nothing has been compiled before.
SAME_BYTES = {
    "two notebooks at a time": (["--workers", "2"], {}),
    "four at a time, in reverse order": (["--workers", "4", "reversed"], {}),
    "one thread": ([], dict.fromkeys(THREADS, "1")),
    "nothing compiled at all": (["--cell-seconds", "3600"], {"NUMBA_DISABLE_JIT": "1"}),
    "hash order 1, plain papermill": (["papermill"], {"PYTHONHASHSEED": "1"}),
    "hash order 2, eight threads, plain papermill": (
        ["papermill"], {"PYTHONHASHSEED": "2"} | dict.fromkeys(THREADS, "8")
    ),
}  # fmt: skip

#: Other processors, as far as this one can play them.
OTHER_CPUS = {
    "NumPy without vector instructions": {"NPY_DISABLE_CPU_FEATURES": "found"},
    "the C library without FMA and AVX2": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F,-AVX2_Usable,-FMA_Usable"
    },
    "OpenBLAS and Numba for an old processor": {
        "OPENBLAS_CORETYPE": "Nehalem", "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "",
    },
}  # fmt: skip


def try_numbers() -> list[Row]:
    """Run all notebooks, small, in other ways and for other processors, and compare their data."""
    with tempfile.TemporaryDirectory() as folder:
        reference = _data(Path(folder) / "reference", ["--workers", "1"], {})
        same = []
        for name, (arguments, environment) in tqdm(SAME_BYTES.items(), "same bytes"):
            data = _data(Path(folder) / name, arguments, environment)
            same.append([f"other bytes: {n}, {name}" for n in reference if data[n] != reference[n]])
        close, largest = [], 0.0
        together = {k: v for environment in OTHER_CPUS.values() for k, v in environment.items()}
        cpus = OTHER_CPUS | {"all of these": together}
        for name, environment in tqdm(cpus.items(), "other processors"):
            data = _data(Path(folder) / name, [], environment)
            differences = {n: _difference(reference[n], data[n]) for n in reference}
            largest = max(largest, *differences.values())
            close.append([f"{n}: {d:.1e}, {name}" for n, d in differences.items() if d > 1e-9])
    return [
        row("all notebooks, in small, in other orders and environments, byte for byte", same),
        row(
            "all notebooks, in small, for other processors, to 1e-9 and with equal splits",
            close,
            f"largest difference {largest:.0e}",
        ),
    ]


def _data(root: Path, arguments: list[str], environment: dict[str, str]) -> dict[str, bytes]:
    """Run all notebooks, small, in a checkout; return their data."""
    checkout(root)
    names = []
    for path in fingerprint.notebooks(root):
        write_small(path, path)
        names.append(path.stem)
    found = ",".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    environment = {name: value.replace("found", found) for name, value in environment.items()}
    if "papermill" in arguments:
        for name in names:
            _run_plain(root, name, environment)
    else:
        if "reversed" in arguments:
            arguments = [*arguments[:-1], *reversed(names)]
        _succeed(command("run", *arguments), root, environment)
    return {
        path.name: path.read_bytes()
        for path in sorted((manifest.folder_of_book(root) / "data").glob("*.csv"))
    }


def _run_plain(root: Path, name: str, environment: dict[str, str]) -> None:
    """Run a notebook by plain papermill, in a kernel that sees the whole environment."""
    folder = manifest.folder_of_book(root)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [f"notebooks/{name}.ipynb", f"{folder}/{name}.ipynb", "--cwd", str(folder)]
    environment = environment | {"PYTHONPATH": str(root)}
    _succeed(
        [sys.executable, "-m", "papermill", *arguments, "--no-progress-bar"], root, environment
    )


def _succeed(arguments: list[str], root: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        arguments,
        cwd=root,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])


def _difference(reference: bytes, data: bytes) -> float:
    """Return the largest difference of two tables, as a share of what stands in the column.

    It is infinite where anything differs that is no real number, such as a splitting point.
    """
    ours, theirs = (pd.read_csv(io.BytesIO(table)) for table in (reference, data))
    if ours.shape != theirs.shape or list(ours) != list(theirs):
        return math.inf
    largest = 0.0
    for name in ours:
        left, right = ours[name], theirs[name]
        if left.dtype.kind != "f" or right.dtype.kind != "f":
            if not left.equals(right):
                return math.inf
            continue
        if not left.isna().equals(right.isna()):
            return math.inf
        scale = left.abs().replace([0.0, math.inf], np.nan)
        share = ((left - right).abs() / scale).where(left != right, 0.0)
        largest = max(largest, float(share.max(skipna=True) or 0.0))
    return largest


# ---- the test suite ----


def try_suite(trials: int = 10) -> list[Row]:
    """Run the tests in random order; nbval's cells, which have an order, are left out."""
    wrong = []
    for index in tqdm(range(trials), "test suites"):
        arguments = ["-n", "3", "-q", "--random-order-bucket=global"]
        arguments += [f"--random-order-seed={SEED + index}", "splitlib", "reproduction", "tests"]
        arguments += ["--ignore=tests/torture/test_dependable.py"]  # waits for what this finds
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        red = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        for line in red + (lines[-1:] or [done.stderr[-200:]]):
            tqdm.write(f"suite {index + 1}: {line}")
        wrong.append(
            red if done.returncode and red else [str(done.returncode)] * bool(done.returncode)
        )
    return [row("the test suite in random order", wrong)]


# ---- the model, changed ----


def try_mutants() -> list[Row]:
    """Change each number and operator of the model; the reasons of survivors are listed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "mutants.json"
        arguments = [str(report), "--jobs", str(WORKERS)]
        subprocess.run(
            [sys.executable, "-m", "tests.torture.mutants", *arguments], cwd=ROOT, check=False
        )
        found = json.loads(report.read_text())
    unexplained = Counter(each["module"] for each in found["survivors"] if not each["why"])
    return [
        Row(
            name,
            count["mutants"],
            count["survivors"],
            {EQUIVALENT: count["equivalent"], UNEXPLAINED: unexplained[name]},
        )
        for name, count in found["modules"].items()
    ]


PARTS = {
    "inputs": try_bad_inputs,
    "kills": try_kills,
    "control": try_control,
    "pairs": try_pairs,
    "flips": try_flips,
    "numbers": try_numbers,
    "suite": try_suite,
    "mutants": try_mutants,
}


def _commit() -> str:
    """Return what is tried: a commit, and whether more has changed since than the results."""

    def git(*arguments: object) -> str:
        return subprocess.check_output(["git", *map(str, arguments)], cwd=ROOT, text=True).strip()

    changed = git("status", "--porcelain", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return git("rev-parse", "--short=7", "HEAD") + " and later changes" * bool(changed)


def main() -> int:
    """Try some parts, or all; write the results; return 1 if the runner has failed in one."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if none is given")
    chosen = parser.parse_args().parts or list(PARTS)
    bad = False
    commit = _commit()
    # A shell ignores Ctrl-C for what it starts in the background, and children would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for part in chosen:
        rows = PARTS[part]()
        for each in rows:
            each.commit = commit
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        known[part] = [asdict(row) for row in rows]
        text = json.dumps({name: known[name] for name in PARTS if name in known}, indent=1)
        RESULTS.write_text(text + "\n")
        for each in rows:
            print(f"{each.what}: {each.failed} of {each.trials} failed {each.ways or ''}")
            failed = each.ways[UNEXPLAINED] if part == "mutants" else each.failed
            bad |= bool(failed) and part != "control"
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
