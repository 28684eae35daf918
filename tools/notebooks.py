"""All notebooks, or some of them, from the command line.

run     executes into book/executed what is not up to date, on all cores, each notebook by a
        process of its own: ``python -m tools.run``, after the words in the variable RUN, if any,
        such as RUN="srun -n1".
verify  hashes everything again and names what is stale, missing or altered.
check   holds the sources to their form: one cell of typed parameters, and no outputs.
strip   removes outputs from the sources, except of cells tagged nbval-check-output: nbval
        compares these rounded tables with a fresh run.
accept  copies the executed tables into the sources, when moved numbers are meant.

Exit codes: 0, 1 if something has failed, 2 if what is asked for cannot be.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from tools import fingerprint, manifest, run


def main(arguments: Sequence[str] | None = None, root: Path = fingerprint.ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = run.Parser(prog="python -m tools.notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    acts = {act.__name__[1:]: act for act in (_run, _verify, _check, _strip, _accept)}
    parser.add_argument("command", choices=acts)
    parser.add_argument("names", nargs="*", help="without .ipynb; all if none is given")
    try:
        options = parser.parse_args(arguments)
        run.refuse_drift(root)
        given = [run.source_of(name, root) for name in dict.fromkeys(options.names)]
        return acts[options.command](given or manifest.notebooks(root), root)
    except ValueError as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 2


def _run(selected: Sequence[Path], root: Path) -> int:
    command = [*shlex.split(os.environ.get("RUN", "")), sys.executable, "-m", "tools.run"]
    command += ["--brief", "--root", str(root)]
    cores = os.cpu_count() or 1
    signal.signal(signal.SIGTERM, _interrupt)  # as make ends what it runs
    pool = ThreadPoolExecutor(cores)
    running: list[subprocess.Popen[bytes]] = []

    def one(source: Path) -> int:
        running.append(subprocess.Popen([*command, source.stem]))
        return running[-1].wait()

    print(f"{len(selected)} notebooks on {cores} cores", flush=True)
    try:
        known = {
            source: manifest.read(manifest.executed(root) / source.stem) for source in selected
        }
        longest_first = sorted(known, key=lambda source: -known[source].get("seconds", 0.0))
        codes = dict(zip(longest_first, pool.map(one, longest_first), strict=True))
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.terminate()
        return 130
    if failed := sorted(source.stem for source, code in codes.items() if code):
        said = f"{len(failed)} of {len(codes)} notebooks failed: {', '.join(failed)}"
        print(said, file=sys.stderr)
    return 1 if failed else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _verify(selected: Sequence[Path], root: Path) -> int:
    found = manifest.problems(selected, root)
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        print(f"{len(selected)} notebooks and all that they have made are as they should be.")
    return 1 if found else 0


def _check(selected: Sequence[Path], root: Path) -> int:
    from tools import cells

    found = []
    for source in selected:
        try:
            run.parameters_of(source)
            if cells.strip(cells.read(source)) != cells.read(source):
                found.append(f"{source.stem}: it holds outputs, run `make format`")
        except ValueError as refused:
            found.append(str(refused))
    print(*found, sep="\n", end="\n" * bool(found), file=sys.stderr)
    return 1 if found else 0


def _strip(selected: Sequence[Path], root: Path) -> int:
    from tools import cells

    for source in selected:
        cells.write(cells.strip(cells.read(source)), source)
    return 0


def _accept(selected: Sequence[Path], root: Path) -> int:
    from tools import cells

    if stale := manifest.problems(selected, root):
        raise ValueError(f"{stale[0]}\nRun `make figures` first")
    for source in selected:
        cells.accept(source, manifest.executed(root) / source.stem / manifest.NOTEBOOK)
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    raise SystemExit(main())
