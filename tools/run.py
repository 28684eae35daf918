"""Run one notebook into a folder of its own: ``python -m tools.run NAME [-p name=value ...]``.

The run works in a staging folder beside its own, and takes its place by two renames when all went
well: whatever happens, the last good output is there, whole. What is up to date is not run again.
With ``-p`` the notebook runs with other parameters, into a folder under ``runs``.

A second run of the same notebook waits for the first. Exit codes: 0, 1 if the run has failed, 2 if
what is asked for cannot be, 130 after Ctrl-C.
"""

# Only what tells whether there is anything to do is imported here; the rest takes a second.

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tools import environment, fingerprint, manifest

#: What a kernel sees, whatever its user has set: this checkout's library, assertions, no startup
#: files, figures in the notebook and in no style but ours, one hash order and encoding, no bars.
KERNEL_ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MATPLOTLIBRC": os.devnull,
    "NUMBA_CACHE_LOCATOR_CLASSES": "",
    "PYTHONDEVMODE": "",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONOPTIMIZE": "",
    "PYTHONPATH": str(fingerprint.ROOT),
    "PYTHONSTARTUP": "",
    "PYTHONUTF8": "1",
    "PYTHONWARNINGS": "",
    "TQDM_DISABLE": "1",
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are refusals like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what it has to say."""
        raise ValueError(" ".join(message.split()))


@dataclass(frozen=True)
class Run:
    """A notebook to run, with the parameters that differ from its own, into a folder."""

    name: str
    source: Path
    root: Path
    folder: Path
    changed: Mapping[str, Any]

    @property
    def failed(self) -> Path:
        """The notebook that a failed run leaves."""
        return self.folder.with_name(f"{self.folder.name}.failed.ipynb")

    def beside(self, kind: str) -> Path:
        """Return the hidden neighbour of the folder of a kind: lock, staging or old."""
        return self.folder.with_name(f".{self.folder.name}.{kind}")

    def faults(self) -> list[str]:
        """Return why the folder does not hold what this run would make."""
        return manifest.faults(self.source, self.root, self.folder, self.changed)


def main(arguments: Sequence[str] | None = None, root: Path = fingerprint.ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = Parser(prog="python -m tools.run", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", help="of the notebook, without .ipynb")
    parser.add_argument("-p", action="append", default=[], metavar="name=value")
    parser.add_argument("--brief", action="store_true", help="no bar that shows the progress")
    parser.add_argument("--root", type=Path, default=root, help="the project, by default this one")
    try:
        options = parser.parse_args(arguments)
        refuse_drift(options.root)
        run = run_of(options.name, options.root, options.p)
        return 0 if perform(run, options.brief) else 1
    except ValueError as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        sys.stdout.flush()
        os._exit(130)  # else the thread that papermill is in would be waited for


def refuse_drift(root: Path) -> None:
    """Refuse to work in an environment that is not the lock's."""
    if drift := environment.drift(root):
        more = f" and {len(drift) - 3} more" if len(drift) > 3 else ""
        mend = f"{sys.executable} -m pip install --require-hashes -r requirements.lock"
        raise ValueError(f"{', '.join(drift[:3])}{more}\nTo mend it: {mend}")


def source_of(name: str, root: Path) -> Path:
    """Return the notebook of a name."""
    known = {path.stem: path for path in manifest.notebooks(root)}
    if name not in known:
        from splitlib._check import nearest

        raise ValueError(f"there is no notebook {name!r}{nearest(name, known)}")
    return known[name]


def run_of(name: str, root: Path, given: Sequence[str] = ()) -> Run:
    """Return what to run, with parameters such as ``distance=20`` in place of the notebook's.

    Raise ValueError if there is no such notebook, or its schema does not allow the parameters.
    """
    source, folder = source_of(name, root), manifest.executed(root) / name
    changed = parameters_of(source, given)[1] if given else {}
    if changed:
        folder = root / "runs" / f"{name}-{fingerprint.of_value(changed)[:8]}"
    return Run(name, source, root, folder, changed)


def parameters_of(source: Path, given: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a notebook's parameters, and those given that differ; refuse what is not in form."""
    from reproduction.parameters import check_values
    from tools import cells

    try:
        schema, values = cells.parameters_of(cells.read(source))
        check_values(schema, values)
        wanted = _parse(given)
        check_values(schema, values | wanted)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{source.stem}: {error}") from error
    typed = {key: _as(schema[key], value) for key, value in wanted.items()}
    return values, {key: value for key, value in typed.items() if value != values[key]}


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
        except (ValueError, SyntaxError):
            values[name] = text
    return values


def _as(kind: Any, value: Any) -> Any:
    """Return a checked value in the type of its parameter, so that 50 and 50.0 are the same."""
    if isinstance(value, (list, tuple)):
        return [_as(kind.__args__[0], item) for item in value]
    return getattr(kind, "__args__", [kind])[0](value)


def perform(run: Run, brief: bool = True) -> bool:
    """Bring the files of a run up to date; tell whether they are."""
    with locked(run.beside("lock"), run.name):
        _recover(run)
        if not run.faults():
            print(f"{run.name}: up to date", flush=True)
            run.failed.unlink(missing_ok=True)  # of an attempt that was taken back
            return True
        values, _ = parameters_of(run.source)
        print(f"{run.name}: running", flush=True)
        started = time.time()
        try:
            _make(run, values, started, brief)
        except Exception as error:  # whatever went wrong, the last good output must stay
            _report(run, error)
            return False
        print(f"{run.name}: {time.time() - started:.1f} s", flush=True)
        if run.changed:
            print(f"Its files are in {run.folder}")
        return True


@contextlib.contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Hold a lock; wait while another process has it, and say so.

    The system itself drops the lock of a process that dies.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        print(f"{name}: waiting for another process that works at it", flush=True)
        held = lock.acquire()
    with held:
        yield


def _recover(run: Run) -> None:
    """Put the old folder back after a kill between the two renames, remove what is left over."""
    old = run.beside("old")
    if old.exists() and not run.folder.exists():
        os.replace(old, run.folder)
    for left in (old, run.beside("staging"), run.beside("ipython")):
        shutil.rmtree(left, ignore_errors=True)


def _make(run: Run, values: Mapping[str, Any], started: float, brief: bool) -> None:
    """Execute a notebook in its staging folder, and put that in place of the old folder."""
    from tools import cells

    staging, inputs = run.beside("staging"), manifest.inputs(run.source, run.root)
    staging.mkdir()
    output = staging / manifest.NOTEBOOK
    # Not in the main thread, which has to hear Ctrl-C, and must not wait for the notebook then.
    ThreadPoolExecutor(1).submit(_execute, run, output, brief).result()
    executed = cells.read(output)
    if cells.unfinished(executed):  # papermill takes sys.exit(0) for a good end
        raise RuntimeError("the notebook ended early, or a widget shows an error")
    cells.write(cells.deterministic(executed), output)
    now = manifest.inputs(run.source, run.root)
    if edited := sorted(name for name, _ in inputs.items() ^ now.items()):
        raise RuntimeError(f"{', '.join(dict.fromkeys(edited))} changed while it ran; run it again")
    content = {
        "notebook": run.name,
        "parameters": {**values, **run.changed},
        "changed": run.changed,
        "outputs": manifest.outputs(staging),
        "inputs": inputs,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "git": environment.git_state(run.root),
        "environment": environment.describe(),
    }
    (staging / manifest.NAME).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    if run.folder.exists():
        os.replace(run.folder, run.beside("old"))
    os.replace(staging, run.folder)
    run.failed.unlink(missing_ok=True)
    _recover(run)


def _execute(run: Run, output: Path, brief: bool) -> None:
    """Execute a notebook by papermill, in the folder of its output."""
    import papermill

    from tools.notebook_kernel import manager

    # Papermill takes names in braces for parameters.
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (run.source, output)]
    profile = run.beside("ipython")  # with nobody's startup files
    profile.mkdir()
    papermill.execute_notebook(
        *paths,
        dict(run.changed),
        kernel_name="python3",
        kernel_manager_class=manager(KERNEL_ENVIRONMENT | compiled(run.root)),
        resources={"metadata": {"path": str(output.parent)}},  # where the kernel works
        extra_arguments=[f"--IPKernelApp.ipython_dir={profile}"],
        coalesce_streams=True,
        start_timeout=600,
        iopub_timeout=600,  # how long its output may lag behind
        progress_bar=not brief and {"desc": run.name},
    )


def compiled(root: Path) -> dict[str, str]:
    """Return where Numba keeps what it compiles, and leave no compiled code of other sources.

    Python tells by the time and the length of a source whether it has changed, which a copy can
    keep: all is compiled anew. Numba looks at the source of a function alone, and not at the
    modules that it uses: each state of the library has a cache of its own.
    """
    import compileall

    for folder in (root / "splitlib", root / "reproduction"):
        compileall.compile_dir(folder, quiet=2, force=True, optimize=0)
    sources = fingerprint.of_files((root / "splitlib").rglob("*.py"), root)
    cache = root / "splitlib" / "__pycache__" / f"numba-{fingerprint.of_value(sources)[:16]}"
    for other in set(cache.parent.glob("numba-*")) - {cache}:
        shutil.rmtree(other, ignore_errors=True)
    return {"NUMBA_CACHE_DIR": str(cache)}


def _report(run: Run, error: Exception) -> None:
    """Say which cell failed, why, and how to look at it."""
    from tools import cells

    print(f"\n{run.name} failed.", file=sys.stderr)
    output = run.beside("staging") / manifest.NOTEBOOK
    with contextlib.suppress(OSError, ValueError):  # there is none, or no room was left for it
        last = ""
        for cell in cells.read(output).cells:
            last = cell.source if cell.metadata.get("papermill", {}).get("start_time") else last
        os.replace(output, run.failed)
        print(f"\n{last}\n", file=sys.stderr)
    kind, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", error)
    print(f"{kind}: {value}".partition("\n")[0], file=sys.stderr)
    if run.failed.exists():
        print(f"\nTo look at it: jupyter lab {run.failed}", file=sys.stderr)
    _recover(run)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    raise SystemExit(main())
