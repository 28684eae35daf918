"""Run the notebooks by papermill, each only when something it depends on has changed.

``run``     executes into ``book/executed``: notebook, ``data/*.csv``, ``figures/*``, and last a
            manifest with the hashes of what went in and what came out. A notebook is up to date
            while both still hold. A failed run leaves the last good output as it was.
``strip``   removes outputs from the sources, except of cells tagged ``nbval-check-output``:
            nbval compares these rounded tables with a fresh run.
``accept``  copies the executed tables into the sources, when moved numbers are meant.
"""

from __future__ import annotations

import argparse
import difflib
import json
import multiprocessing
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from tools import fingerprint

CHECKED = "nbval-check-output"
CELL_SECONDS = 600
_IS_TERMINAL = sys.stderr.isatty()
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

Notebook = Any  # nbformat.NotebookNode is untyped


class OwnKernel(AsyncKernelManager):
    """Starts the interpreter that runs this module, whatever kernels the machine knows.

    No bars inside notebooks, and the same hash order in every run.
    """

    transport_encryption = "auto"  # else each kernel warns that it has none

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel to start, instead of the registered one of that name."""
        environment = {"TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}
        return KernelSpec(**get_kernel_dict(), env=environment)


def sources(root: Path) -> list[Path]:
    """Return the notebooks, in the order in which they run."""
    return sorted((root / "notebooks").glob("*.ipynb"))


def inputs_hash(source: Path, root: Path) -> str:
    """Return the hash of everything that the outputs of a notebook depend on."""
    cells = [(cell.cell_type, cell.source, cell.metadata) for cell in _read(source).cells]
    tools = [Path(__file__), Path(fingerprint.__file__)]
    read = fingerprint.package_sources(root)
    if any("claims.load" in text for _, text, _ in cells):
        read += (root / "book").glob("claims.*")
    files = fingerprint.of_files(read, root)
    return fingerprint.of_value(
        [cells, files, fingerprint.of_files(tools, Path(__file__).parent), sys.version]
    )


def is_up_to_date(source: Path, root: Path) -> bool:
    """Tell whether the executed notebook and all its files are those of today's sources."""
    executed = root / "book" / "executed"
    manifest = _read_manifest(executed / f"{source.stem}.json")
    outputs = manifest.get("outputs", {})
    return (
        bool(outputs)
        and manifest["inputs"] == inputs_hash(source, root)
        and outputs == fingerprint.of_files([executed / name for name in outputs], executed)
    )


def run(source: Path, root: Path, title: str, bar: bool = True) -> bool:
    """Execute a notebook and put what it made into ``book/executed``; tell whether it worked."""
    executed = root / "book" / "executed"
    staging = executed / ".staging" / source.stem
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    failed = executed / f"{source.stem}.failed.ipynb"
    failed.unlink(missing_ok=True)
    output = staging / source.name
    inputs = inputs_hash(source, root)
    start = time.monotonic()
    try:
        papermill.execute_notebook(
            source,
            output,
            cwd=staging,
            kernel_name="python3",
            kernel_manager_class=OwnKernel,
            coalesce_streams=True,
            execution_timeout=CELL_SECONDS,
            progress_bar=bar and {"desc": title, "mininterval": 0.5 if _IS_TERMINAL else 5},
        )
        if _unfinished(_read(output)):  # papermill takes sys.exit(0) in a cell for a good end
            raise RuntimeError("the notebook ended early")
    except Exception as error:  # whatever went wrong, the last good output must stay
        if output.exists():
            os.replace(output, failed)
        _report(source, failed, error)
        return False
    print(f"{title}: {time.monotonic() - start:.1f} s", flush=True)
    _write(_deterministic(_read(output)), output)
    _install(source.stem, staging, executed, inputs)
    return True


def run_all(selected: Sequence[Path], root: Path, workers: int) -> bool:
    """Run what is not up to date, several notebooks at a time; tell whether all went well.

    While one draws its figures the other computes. With a single one there is a bar of its cells.
    """
    jobs = []
    for index, source in enumerate(selected, start=1):
        title = f"[{index}/{len(selected)}] {source.stem}"
        if is_up_to_date(source, root):
            print(f"{title}: up to date", flush=True)
        else:
            jobs.append((source, root, title))
    workers = min(max(1, workers), len(jobs))
    if workers <= 1:
        worked = [run(*job) for job in jobs]
        return all(worked)
    print(f"Running {len(jobs)} notebooks, {workers} at a time", flush=True)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        worked = list(pool.map(_run_without_bar, jobs))
    return all(worked)


def _run_without_bar(job: tuple[Path, Path, str]) -> bool:
    return run(*job, bar=False)


def _unfinished(notebook: Notebook) -> bool:
    """Tell whether a cell was not run to its end."""
    return any(
        cell.execution_count is None or any(o.output_type == "error" for o in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip()
    )


def _install(name: str, staging: Path, executed: Path, inputs: str) -> None:
    """Move all new files into place, drop those no longer made, and write the manifest last."""
    manifest = executed / f"{name}.json"
    old = set(_read_manifest(manifest).get("outputs", {}))
    outputs = fingerprint.of_files(staging.rglob("*"), staging)
    manifest.unlink(missing_ok=True)
    for path in old - set(outputs):
        (executed / path).unlink(missing_ok=True)
    for path in outputs:
        (executed / path).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / path, executed / path)
    shutil.rmtree(staging)
    text = json.dumps({"inputs": inputs, "outputs": outputs}, indent=1)
    (staging.parent / manifest.name).write_text(text)
    os.replace(staging.parent / manifest.name, manifest)


def _deterministic(notebook: Notebook) -> Notebook:
    """Remove times, paths and random ids, so that two equal runs give equal files."""
    text = nbformat.writes(notebook)
    for index, model_id in enumerate(_widget_ids(notebook)):
        text = text.replace(model_id, f"{index:032x}")
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata.pop("papermill", None)
    for index, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = f"injected-{index}"
    return notebook


def _widget_ids(notebook: Notebook) -> list[str]:
    """Return the ids of all widgets in an order that does not depend on them.

    First come those on display, each followed by what it refers to, then the others, such as
    links, by what they say.
    """
    state = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    said = {model_id: json.dumps(model, sort_keys=True) for model_id, model in state.items()}
    found: list[str] = []

    def visit(model_id: str) -> None:
        if model_id in said and model_id not in found:
            found.append(model_id)
            for other in re.findall(r"IPY_MODEL_(\w+)", said[model_id]):
                visit(other)

    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            visit(output.get("data", {}).get(WIDGET_VIEW, {}).get("model_id", ""))
    known = dict(said)
    for index, model_id in enumerate(found):
        known = {other: text.replace(model_id, f"#{index}") for other, text in known.items()}

    def without_ids(model_id: str) -> str:
        return re.sub(r"IPY_MODEL_\w+", "", known[model_id])

    for model_id in sorted(said.keys() - set(found), key=without_ids):
        visit(model_id)
    return found


def _report(source: Path, failed: Path, error: Exception) -> None:
    """Say which cell failed, why, and how to look at it."""
    print(f"\n{source.stem} failed.", file=sys.stderr)
    if failed.exists():
        started = [
            c for c in _read(failed).cells if c.metadata.get("papermill", {}).get("start_time")
        ]
        for cell in started[-1:]:
            print(f"\n{cell.source}\n", file=sys.stderr)
    if isinstance(error, papermill.PapermillExecutionError):
        print(f"{error.ename}: {error.evalue}", file=sys.stderr)
    else:
        reason = str(error).partition("\n")[0]
        print(f"{type(error).__name__}: {reason}", file=sys.stderr)
    if failed.exists():
        print(f"\nTo look at it: jupyter lab {failed}", file=sys.stderr)


def strip(notebook: Notebook) -> Notebook:
    """Return the notebook without what running it leaves behind, but with the checked tables."""
    for cell in notebook.cells:
        for name in ("execution", "collapsed", "papermill"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = list(_tables(cell))
            cell.execution_count = 1 if cell.outputs else None  # nbval wants a number
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _tables(cell: Notebook) -> Iterator[Notebook]:
    if CHECKED in cell.metadata.get("tags", []):
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = 1
            yield output


def accept(source: Path, root: Path) -> None:
    """Copy the executed tables into the source."""
    executed = {cell.id: cell for cell in _read(root / "book" / "executed" / source.name).cells}
    notebook = _read(source)
    for cell in notebook.cells:
        if CHECKED in cell.metadata.get("tags", []):
            cell.outputs = executed[cell.id].outputs
    _write(strip(notebook), source)


def _read(path: Path) -> Notebook:
    return nbformat.read(path, as_version=4)


def _write(notebook: Notebook, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _select(names: Sequence[str], root: Path) -> list[Path]:
    """Return the notebooks with the given names, all if there are none; exit on an unknown one."""
    known = {path.stem: path for path in sources(root)}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            hint = f", did you mean {near[0]}?" if near else ""
            print(f"no notebook is called {name!r}{hint}", file=sys.stderr)
            raise SystemExit(2)
    return [known[name] for name in names] if names else list(known.values())


def main(arguments: Sequence[str] | None = None, root: Path = fingerprint.ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=("run", "strip", "check", "accept"))
    parser.add_argument("names", nargs="*", help="notebooks without .ipynb; all if none is given")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count(),
        help="notebooks that run at a time, by default one for each core",
    )
    options = parser.parse_args(arguments)
    selected = _select(options.names, root)
    if options.command == "run":
        return 0 if run_all(selected, root, options.workers) else 1
    good = True
    for source in selected:
        if options.command == "strip":
            _write(strip(_read(source)), source)
        elif options.command == "accept":
            accept(source, root)
        elif strip(_read(source)) != _read(source):
            good = False
            print(f"{source.name} holds outputs: run `make format`", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
