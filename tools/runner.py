"""Run notebooks by papermill so that nothing is lost and nothing is half done.

A run works in a folder of its own, under a lock of its own. When it has ended well, all its files
are made durable, then a manifest beside them; then they are moved into place one by one, the
manifest last. A run that is killed before leaves what was there; one that is killed while files
are being moved is finished by the next run, which finds the manifest and goes on.

Kernels are children of this process. They end when it is told to stop, and, since each of them
watches its parent, also when it is killed.
"""

from __future__ import annotations

import compileall
import contextlib
import errno
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from types import FrameType
from typing import Any

import papermill
import psutil
import zmq.asyncio
from filelock import FileLock, Timeout
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop
from traitlets import default

from tools import cells, environment, fingerprint, manifest

_IS_TERMINAL = sys.stderr.isatty()
_STOPS: list[int] = []  # the signals that want this process to stop, as they have come
_MOVING = ".moving files"  # a lock that no notebook has

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


class OwnKernel(AsyncKernelManager):
    """Starts the interpreter that runs this module, whatever kernels the machine knows."""

    transport_encryption = "auto"  # else each kernel warns that it has none
    shutdown_wait_time = 20.0  # half of it to end by itself, half of it once it is told to
    exit_codes: list[int | None]  # where to note how it has ended
    numba_cache: Path

    @default("transport")
    def _sockets_that_are_files(self) -> str:
        """Return what to talk through: a number of a free port is another process's at times."""
        return "ipc"

    @default("ip")
    def _in_a_folder_of_their_own(self) -> str:
        """Return where they are: their paths must be short."""
        return f"{tempfile.mkdtemp(prefix='kernel-')}/socket"

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        """Start the kernel."""
        await super().start_kernel(**options)
        self._process = self.provisioner.process  # type: ignore[union-attr]

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        """Clean up when it has ended, and note how."""
        self.exit_codes.append(self._process.poll())
        await super().cleanup_resources(restart)
        shutil.rmtree(Path(self.ip).parent, ignore_errors=True)

    @default("context")
    def _unlimited_context(self) -> zmq.asyncio.Context:
        """Return one whose sockets drop no output, as `tools.notebook_kernel` drops none."""
        self._created_context = True  # and is closed with this
        context = zmq.asyncio.Context()
        context.rcvhwm = 0
        return context

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernel to start, instead of the registered one of that name."""
        # Without the working folder in its path, as IPython's own, which adds it later.
        command = [sys.executable, "-P", "-m", "tools.notebook_kernel", "-f", "{connection_file}"]
        variables = KERNEL_ENVIRONMENT | {"NUMBA_CACHE_DIR": str(self.numba_cache)}
        return KernelSpec(**get_kernel_dict() | {"argv": command}, env=variables)


@dataclass(frozen=True)
class Job:
    """A notebook to run, with the parameters that differ from its own, into a folder."""

    source: Path
    root: Path
    folder: Path
    values: Mapping[str, Any]
    changed: Mapping[str, Any]
    cell_seconds: float

    @property
    def name(self) -> str:
        """The name of the notebook."""
        return self.source.stem

    @property
    def staging(self) -> Path:
        """The folder that the notebook runs in."""
        return self.folder / ".staging" / self.name

    @property
    def failed(self) -> Path:
        """The notebook that a failed run leaves."""
        return self.folder / f"{self.name}.failed.ipynb"

    def faults(self) -> list[str]:
        """Return why the files in the folder are not those of this job."""
        return manifest.faults(self.source, self.root, self.folder, self.values)


class Stopped(InterruptedError):
    """Somebody wants this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_all(jobs: Sequence[Job], workers: int) -> bool:
    """Run what is not up to date, several notebooks at a time; tell whether all went well.

    Raises
    ------
    Stopped
        On Ctrl-C, SIGTERM or SIGHUP, when all kernels have ended.
    """
    titles = [f"[{index}/{len(jobs)}] {job.name}" for index, job in enumerate(jobs, start=1)]
    try:
        for root in {job.root for job in jobs}:
            _forget_compiled(root)
    except OSError as error:
        print(f"nothing was run: {_reason(error, root)}", file=sys.stderr)
        return False
    with stoppable(), ThreadPoolExecutor(workers) as pool:
        futures = [
            pool.submit(run, job, title, bar=len(jobs) == 1)
            for job, title in zip(jobs, titles, strict=True)
        ]
        while not all(future.done() for future in futures):
            wait(futures, timeout=0.1)
            if stop_wanted():
                pool.shutdown(wait=False, cancel_futures=True)
                _kill_children()
        raise_if_stopped()
    return all(future.result() for future in futures)


def run(job: Job, title: str, bar: bool) -> bool:
    """Bring the files of one job up to date; tell whether it worked."""
    try:
        with locked(job.folder, [job.name]):
            _finish_interrupted(job)
            if not job.faults():
                job.failed.unlink(missing_ok=True)  # of an attempt that has been taken back
                print(f"{title}: up to date", flush=True)
                return True
            print(f"{title}: running", flush=True)
            started, inputs = time.time(), manifest.inputs(job.source, job.root)
            if not _execute(job, inputs, bar and title):
                return False
            with locked(job.folder, [_MOVING]):
                _check_made(job)  # again, now that nobody else can make it
                content = _manifest(job, started, inputs)
                raise_if_stopped()  # as git may have been, a child of this process
                _install(job, content)
            print(f"{title}: {time.time() - started:.1f} s", flush=True)
            return True
    except (OSError, ValueError) as error:  # the second of a source that is no notebook any more
        if not stop_wanted():
            print(f"\n{job.name} failed: {_reason(error, job.folder)}", file=sys.stderr)
        return False


@contextlib.contextmanager
def locked(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold the outputs of notebooks alone; wait while another process has them, and say which.

    The system itself drops the lock of a process that dies, so that none is ever stale.
    """
    locks = folder / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        for name in sorted(names):
            lock, holder = FileLock(locks / f"{name}.lock"), locks / f"{name}.holder"
            try:
                lock.acquire(timeout=0.2)
            except Timeout:
                print(f"{name}: waiting for {_text(holder) or 'another process'}", flush=True)
                while not lock.is_locked:
                    raise_if_stopped()
                    with contextlib.suppress(Timeout):
                        lock.acquire(timeout=0.5)
            stack.callback(lock.release)
            holder.write_text(f"process {os.getpid()}, which began at {time.strftime('%H:%M:%S')}")
            stack.callback(holder.unlink, missing_ok=True)
        yield


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _forget_compiled(root: Path) -> None:
    """Leave no compiled code of other sources.

    Python tells by the time and the length of a source whether it has changed, which a copy can
    keep. It is told to look at hashes instead.
    """
    cache = _numba_cache(root)
    cache.parent.mkdir(exist_ok=True)
    by_hash = PycInvalidationMode.CHECKED_HASH
    for name in ("splitlib", "reproduction"):
        compileall.compile_dir(
            root / name, quiet=2, force=True, optimize=0, invalidation_mode=by_hash
        )
    for other in set(cache.parent.glob("numba-*")) - {cache}:
        shutil.rmtree(other, ignore_errors=True)


def _numba_cache(root: Path) -> Path:
    """Return where kernels keep what Numba compiles from the library's sources as they are now.

    Numba looks at the source of a function alone, and neither at how another module has it
    compiled nor at whether that source is still what Python has read.
    """
    sources = sorted((root / "splitlib").rglob("*.py"))
    moments = [path.stat().st_ctime_ns for path in sources]
    digest = fingerprint.of_value([fingerprint.of_files(sources, root), moments])
    return root / "splitlib" / "__pycache__" / f"numba-{digest[:16]}"


def _execute(job: Job, inputs: Mapping[str, str], bar: str | bool) -> bool:
    """Execute a notebook in its staging folder; tell whether it got to its end.

    ``inputs`` are the hashes at the start, and ``bar`` is the title of a bar of its cells, if any.
    """
    profile = job.staging.with_name(f".{job.name}.ipython")  # with nobody's startup files
    for folder in (job.staging, profile):
        _discard(folder)
        folder.mkdir(parents=True, exist_ok=True)
    job.failed.unlink(missing_ok=True)
    output = job.staging / job.source.name
    moments = manifest.moments_of_inputs(job.source, job.root)
    exit_codes: list[int | None] = []
    own = {"exit_codes": exit_codes, "numba_cache": _numba_cache(job.root)}
    try:
        if dict(job.values) != cells.parameters_of(cells.read(job.source))[1] | dict(job.changed):
            raise RuntimeError("its parameters have changed since this command began")
        with contextlib.closing(ensure_event_loop()):  # papermill's, in this thread
            papermill.execute_notebook(
                _literal(job.source),
                _literal(output),
                dict(job.changed),
                kernel_name="python3",
                kernel_manager_class=type("Kernel", (OwnKernel,), own),
                resources={"metadata": {"path": str(job.staging)}},  # where the kernel works
                extra_arguments=[f"--IPKernelApp.ipython_dir={profile}"],
                coalesce_streams=True,
                execution_timeout=job.cell_seconds,
                iopub_timeout=60,  # how long its output may lag behind
                progress_bar=bar and {"desc": bar, "mininterval": 0.5 if _IS_TERMINAL else 5},
            )
        executed = cells.read(output)
        if cells.unfinished(executed):  # papermill takes sys.exit(0) for a good end
            raise RuntimeError("the notebook ended early, or a widget shows an error")
        if exit_codes != [0]:  # a file that it had left open may be cut short
            raise RuntimeError(f"its kernel did not end by itself and well, but with {exit_codes}")
        unchanged = manifest.inputs(job.source, job.root) == inputs
        if not unchanged or manifest.moments_of_inputs(job.source, job.root) != moments:
            raise RuntimeError("its sources have changed while it ran")
        if drift := environment.drift(job.root):
            raise RuntimeError(f"its environment has changed while it ran: {', '.join(drift)}")
        _check_made(job)
        cells.write(cells.deterministic(executed), output)
    except Exception as error:  # whatever went wrong, the last good output must stay
        if not stop_wanted():
            if output.exists():
                os.replace(output, job.failed)
            _report(job, error)
        _discard(job.staging)
        return False
    return True


def _literal(path: Path) -> str:
    """Return a path in which papermill sees no names of parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _check_made(job: Job) -> None:
    """Raise if a run has made what is not its own to make, or what cannot be moved into place."""
    others, going = manifest.others(job.source, job.root, job.folder), _going(job)
    for path in sorted(job.staging.rglob("*")):
        name = path.relative_to(job.staging).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise FileExistsError(f"{name} is a link or a device, which may lead anywhere later")
        if name in others:
            raise FileExistsError(f"{name} is made by {others[name]} as well")
        top = path.parent == job.staging
        if name != job.source.name and top and path.suffix in (".json", ".ipynb"):
            raise FileExistsError(f"{name} has the place of a manifest or notebook")
        if top and name.startswith("."):
            raise FileExistsError(f"{name} is hidden, as what belongs to the runner")
        if there := sorted(_in_the_way(job.folder / name, path.is_dir()) - going):
            raise FileExistsError(f"{there[0]} is in the way of {name}")
        if path.is_dir() and _disk(job.folder / name) not in (None, _disk(job.folder)):
            raise FileExistsError(f"{job.folder / name} is on another disk than what it is in")


def _going(job: Job) -> set[Path]:
    """Return the files and folders that go when the new files of a job are moved into place."""
    old = manifest.read(job.folder / f"{job.name}.json").get("outputs", {}).keys()
    old -= manifest.others(job.source, job.root, job.folder).keys()
    files = {job.folder / name for name in old if not (job.staging / name).is_file()}
    return files.union(*(path.parents for path in files))


def _disk(path: Path) -> int | None:
    return path.stat().st_dev if path.exists() else None


def _in_the_way(target: Path, is_folder: bool) -> set[Path]:
    """Return what keeps a file, or a folder, from being made at a place."""
    if is_folder:
        return {target} if target.exists() and not target.is_dir() else set()
    return {target, *target.rglob("*")} if target.is_dir() else set()


def _manifest(job: Job, started: float, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return all that is to be known of a run that has ended well."""
    return {
        "notebook": job.name,
        "parameters": job.values,
        "seeds": {name: value for name, value in job.values.items() if "seed" in name},
        "outputs": fingerprint.of_files(job.staging.rglob("*"), job.staging),
        "inputs": inputs,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "git": environment.git_state(job.root),
        "environment": environment.describe(job.root),
    }


def _install(job: Job, content: Mapping[str, Any]) -> None:
    """Make all new files durable, then the manifest, and move everything into place."""
    files = [job.staging / name for name in content["outputs"]]
    manifest.sync(*files, *{file.parent for file in files})
    for file in files:  # while a disk without room for them still has all that it had
        with contextlib.suppress(FileExistsError, NotADirectoryError):  # of files that go
            (job.folder / file.relative_to(job.staging)).parent.mkdir(parents=True, exist_ok=True)
    manifest.write(job.staging / f"{job.name}.json", content)
    manifest.sync(job.staging, job.staging.parent, job.folder)
    _move(job)


def _finish_interrupted(job: Job) -> None:
    """Go on where a run was killed while its files were being moved into place.

    Unless another notebook makes one of them by now: then it is as if that run had not ended.
    """
    new = manifest.read(job.staging / f"{job.name}.json").get("outputs")
    if new:
        with locked(job.folder, [_MOVING]):
            if new.keys() & manifest.others(job.source, job.root, job.folder).keys():
                _discard(job.staging)
            else:
                _move(job)


def _move(job: Job) -> None:
    """Move what is left in the staging folder into place, the manifest last."""
    ready = job.staging / f"{job.name}.json"
    new, old = manifest.read(ready)["outputs"], manifest.read(job.folder / ready.name)
    folders = {job.folder}
    others = manifest.others(job.source, job.root, job.folder)
    for name in old.get("outputs", {}).keys() - new.keys() - others.keys():
        _remove(job.folder / name, job.folder)
    for name in new:
        target = job.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        folders.update(path for path in target.parents if path.is_relative_to(job.folder))
        if (job.staging / name).exists():  # unless it had been moved before the run was killed
            os.replace(job.staging / name, target)
    manifest.sync(*folders)
    os.replace(ready, job.folder / ready.name)
    manifest.sync(job.folder)
    _discard(job.staging)


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, unless that has been done, and the folders that it leaves empty."""
    if path.is_file():
        path.unlink()
    for parent in path.parents[: len(path.relative_to(folder).parts) - 1]:
        with contextlib.suppress(OSError):
            parent.rmdir()


def _discard(folder: Path) -> None:
    """Remove a folder of a run, even while the kernel of a killed one may still write into it.

    What killed runs had put aside goes as well.
    """
    if not folder.parent.exists():
        return
    aside = re.compile(rf"\.{re.escape(folder.name)}\.\d+")
    for left in [path for path in folder.parent.iterdir() if aside.fullmatch(path.name)]:
        shutil.rmtree(left, ignore_errors=True)
    if folder.exists():
        mine = folder.with_name(f".{folder.name}.{os.getpid()}")
        os.replace(folder, mine)
        shutil.rmtree(mine, ignore_errors=True)


def _report(job: Job, error: Exception) -> None:
    """Say which cell failed, why, and how to look at it."""
    print(f"\n{job.name} failed.", file=sys.stderr)
    with contextlib.suppress(OSError, ValueError):  # no disk had room for it
        started = [
            cell
            for cell in cells.read(job.failed).cells
            if cell.metadata.get("papermill", {}).get("start_time")
        ]
        for cell in started[-1:]:
            print(f"\n{cell.source}\n", file=sys.stderr)
    print(_reason(error, job.folder), file=sys.stderr)
    if job.failed.exists():
        print(f"\nTo look at it: jupyter lab {job.failed}", file=sys.stderr)


def _reason(error: Exception, folder: Path) -> str:
    """Return what went wrong in a line."""
    if isinstance(error, papermill.PapermillExecutionError):
        return f"{error.ename}: {error.evalue}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left on the disk of {folder}; no file there is half written"
    return f"{type(error).__name__}: {error}".partition("\n")[0]


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Note Ctrl-C, SIGTERM and SIGHUP (unless under nohup), for `raise_if_stopped`.

    To raise at the very moment that they come would be to leave locks held, and things half known.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def note(number: int, frame: FrameType | None) -> None:
        _STOPS.append(number)

    before: list[tuple[int, Callable[..., Any] | int | None]]
    before = [(number, signal.signal(number, note)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        _STOPS.clear()


def stop_wanted() -> bool:
    """Tell whether this process is to stop."""
    return bool(_STOPS)


def raise_if_stopped() -> None:
    """Raise `Stopped` if this process is to stop."""
    if _STOPS:
        raise Stopped(_STOPS[0])


def _kill_children() -> None:
    """Kill what this process has started, so that no run waits for it."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
