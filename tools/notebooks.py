"""The notebooks, from the command line.

run     executes into book/executed what is not up to date: notebook, data, figures, and a
        manifest. With -p name=value, one notebook runs with other parameters, into a folder of
        its own under runs.
verify  hashes everything again and names what is stale, missing or altered; with -p, of the run
        with these parameters.
check   holds the sources to their form: one cell of typed parameters, and no outputs.
strip   removes outputs from the sources, except of cells tagged nbval-check-output: nbval
        compares these rounded tables with a fresh run.
accept  copies the executed tables into the sources, when moved numbers are meant.

A second run of the same notebook says who is at work and waits. Exit codes: 0, 1 if something has
failed, 2 if what is asked for cannot be, 128 and the number of the signal that stopped a run.
"""

# What the lock provides is imported after the environment has been compared with it.

from __future__ import annotations

import argparse
import ast
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tools import environment, fingerprint

if TYPE_CHECKING:
    from tools.runner import Job


CELL_SECONDS = 600  # a cell that takes longer has failed


class Refused(Exception):
    """What is asked for cannot be."""


def main(arguments: Sequence[str] | None = None, root: Path = fingerprint.ROOT) -> int:
    """Run the command line; return its exit code."""
    try:
        options = _parser().parse_args(arguments)
        if options.p and len(options.names) != 1:
            raise Refused("-p needs the name of one notebook")
        _compare_with_lock(root)
        return options.act(options, _select(options.names, root), root)
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # before anything was begun
        return 130


def _compare_with_lock(root: Path) -> None:
    try:
        drift = environment.drift(root)
    except ValueError as error:
        raise Refused(str(error)) from error
    if hidden := environment.hidden(fingerprint.ROOT):
        there = f"a module {hidden[0]!r} in {fingerprint.ROOT}"
        raise Refused(f"{there} would hide another of that name from notebooks, rename it")
    if drift:
        more = f" and {len(drift) - 3} more" if len(drift) > 3 else ""
        raise Refused(f"{', '.join(drift[:3])}{more}\nTo mend it: {environment.mend()}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(" ".join(message.split()))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m tools.notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for act in (_run, _verify, _check, _strip, _accept):
        command = commands.add_parser(act.__name__[1:], allow_abbrev=False)
        command.add_argument("names", nargs="*", help="without .ipynb; all if none is given")
        command.set_defaults(act=act, p=[])
        if act in (_run, _verify):
            command.add_argument("-p", action="append", default=[], metavar="name=value")
        if act is _run:
            command.add_argument(
                "--workers",
                type=_count,
                default=os.cpu_count() or 1,
                metavar="N",
                help="notebooks that run at a time, by default one for each core",
            )
            command.add_argument(
                "--cell-seconds",
                type=_count,
                default=CELL_SECONDS,
                metavar="N",
                help=f"how long a cell may take, by default {CELL_SECONDS}",
            )
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= float(text) <= 1e6):
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to a million, got {text!r}")
    return int(text)


def _select(names: Sequence[str], root: Path) -> list[Path]:
    """Return the notebooks with the given names, all if there are none."""
    from splitlib._check import nearest

    known = {path.stem: path for path in fingerprint.notebooks(root)}
    if not known:
        raise Refused(f"there are no notebooks in {root / 'notebooks'}")
    for name in known:
        if name.endswith(".failed"):
            raise Refused(f"{name}.ipynb has the name of what a failed run leaves, rename it")
    for name in names:
        if name not in known:
            raise Refused(f"there is no notebook {name!r}{nearest(name, known)}")
        if names.count(name) > 1:
            raise Refused(f"the notebook {name!r} is given twice")
    return [known[name] for name in names] if names else list(known.values())


def _run(options: argparse.Namespace, selected: Sequence[Path], root: Path) -> int:
    from tools import runner

    jobs = [job_of(path, root, options.p, options.cell_seconds) for path in selected]
    try:
        good = runner.run_all(jobs, options.workers)
    except runner.Stopped as stopped:
        print(f"Stopped by {stopped}; the same command goes on from here.", file=sys.stderr)
        return 128 + stopped.number
    if good and jobs and jobs[0].changed:
        print(f"Its files are in {jobs[0].folder}")
    return 0 if good else 1


def job_of(
    source: Path, root: Path, given: Sequence[str] = (), cell_seconds: float = CELL_SECONDS
) -> Job:
    """Return what to run, with parameters such as ``distance=20`` in place of the notebook's.

    Raises
    ------
    Refused
        If a parameter is not one that the notebook's schema allows, or the schema is none.
    """
    from reproduction.parameters import check_values
    from tools import cells, manifest, runner

    try:
        with warnings.catch_warnings(action="ignore"):  # of Python, at odd literals
            schema, values = cells.parameters_of(cells.read(source))
            wanted = _parse(given)
        check_values(schema, values | wanted)
    except (OSError, TypeError, ValueError) as error:
        raise Refused(f"{source.stem}: {error}") from error
    typed = {name: _as(schema[name], value) for name, value in wanted.items()}
    changed = {name: value for name, value in typed.items() if value != values[name]}
    folder = manifest.folder_of_book(root)
    if changed:
        folder = root / "runs" / f"{source.stem}-{fingerprint.of_value(changed)[:8]}"
    return runner.Job(source, root, folder, values | changed, changed, cell_seconds)


def _parse(given: Sequence[str]) -> dict[str, Any]:
    """Return the values of ``name=value``: Python's literals, or else the text as it is."""
    values: dict[str, Any] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals:
            raise ValueError(f"-p takes name=value, got {item!r}")
        if name in values:
            raise ValueError(f"the parameter {name!r} is given twice")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            values[name] = text
    return values


def _as(kind: Any, value: Any) -> Any:
    """Return a checked value in the type of its parameter, so that 50 and 50.0 are the same."""
    if isinstance(value, (list, tuple)):
        return [_as(kind.__args__[0], item) for item in value]
    return getattr(kind, "__args__", [kind])[0](value)


def _verify(options: argparse.Namespace, selected: Sequence[Path], root: Path) -> int:
    if options.p:
        job = job_of(selected[0], root, options.p)
        found = [f"{job.folder.name}: {fault}" for fault in job.faults()]
    else:
        found = problems(selected, root)
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        print(f"{len(selected)} notebooks and all that they have made are as they should be.")
    return 1 if found else 0


def problems(selected: Sequence[Path], root: Path) -> list[str]:
    """Return what is stale, missing, altered or left over in ``book/executed``, in lines."""
    from tools import manifest

    of_each = {path.stem: job_of(path, root).faults() for path in selected}
    found = [f"{name}: {', '.join(said)}" for name, said in of_each.items() if said]
    if selected and not found and len(selected) == len(fingerprint.notebooks(root)):
        strays = manifest.strays(manifest.folder_of_book(root), of_each)
        found = [f"{name}: no notebook has made it, remove it" for name in strays]
    return found


def _check(options: argparse.Namespace, selected: Sequence[Path], root: Path) -> int:
    from reproduction.parameters import check_values
    from tools import cells

    found = []
    for source in selected:
        try:
            check_values(*cells.parameters_of(cells.read(source)))
        except (TypeError, ValueError) as error:
            found.append(f"{source.stem}: {error}")
        else:
            if cells.strip(cells.read(source)) != cells.read(source):
                found.append(f"{source.stem}: it holds outputs, run `make format`")
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


def _strip(options: argparse.Namespace, selected: Sequence[Path], root: Path) -> int:
    from tools import cells

    try:
        stripped = {source: cells.strip(cells.read(source)) for source in selected}
    except ValueError as error:
        raise Refused(str(error)) from error
    for source, notebook in stripped.items():
        cells.write(notebook, source)
    return 0


def _accept(options: argparse.Namespace, selected: Sequence[Path], root: Path) -> int:
    from tools import cells, manifest

    if stale := problems(selected, root):
        raise Refused(f"{stale[0]}\nRun `make figures` first")
    for source in selected:
        cells.accept(source, manifest.folder_of_book(root) / source.name)
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    raise SystemExit(main())
