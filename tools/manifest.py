"""What a run leaves beside its files: the manifest, by which each of them can be verified.

A manifest is written last. It holds the hashes of what went in and of what came out, and what
else a reader of the numbers may ask for years later; and it is sealed by its own hash.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from tools import cells, fingerprint

_PROJECT = Path(__file__).parent.parent
_KERNEL = _PROJECT / "tools" / "notebook_kernel.py"
#: The hashes of the code that vouches for a run, of this process and not of what is on the disk.
_RUNNER = fingerprint.of_files(
    [_KERNEL.with_stem(name) for name in ("cells", "fingerprint", "manifest", "runner")], _PROJECT
)


def folder_of_book(root: Path) -> Path:
    """Return where the runs with the notebooks' own parameters go."""
    return root / "book" / "executed"


def inputs(source: Path, root: Path) -> dict[str, str]:
    """Return the hash of everything that the outputs of a notebook depend on, by name."""
    notebook = cells.read(source)
    notebook_says = [
        (cell.cell_type, cell.id, cell.source, cell.metadata, cell.get("attachments"))
        for cell in notebook.cells
    ]
    # `make format` sets what is left out, and other editors change it.
    settings = notebook.metadata.items()
    notebook_says += [each for each in settings if each[0] not in ("kernelspec", "language_info")]
    return {
        f"notebooks/{source.name}": fingerprint.of_value(notebook_says),
        "Python": sys.version,
        **fingerprint.of_files(_read_by(notebook, root), root),
        **fingerprint.of_files([_KERNEL], _PROJECT),
        **_RUNNER,
    }


def moments_of_inputs(source: Path, root: Path) -> dict[str, int]:
    """Return when each file last changed, in any way, that is read while a notebook runs."""
    return fingerprint.moments([source, _KERNEL, *_read_by(cells.read(source), root)])


def _read_by(notebook: cells.Notebook, root: Path) -> list[Path]:
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return [*fingerprint.package_sources(root), *fingerprint.reproduction_sources(root, code)]


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(_sealed(content))
    sync(temporary)
    os.replace(temporary, path)


def read(path: Path) -> dict[str, Any]:
    """Return a manifest, empty if there is none or if a single byte of it is another one."""
    try:
        text = path.read_text()
        content = json.loads(text)
        content.pop("seal")
        return dict(content) if text == _sealed(content) else {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return {}


def _sealed(content: Mapping[str, Any]) -> str:
    return json.dumps({**content, "seal": fingerprint.of_value(content)}, indent=1) + "\n"


def faults(source: Path, root: Path, folder: Path, values: Mapping[str, Any]) -> list[str]:
    """Return, in a phrase each, why the files in a folder are not those of today's sources.

    ``values`` are the parameters that the run should have had.
    """
    path = folder / f"{source.stem}.json"
    known = read(path)
    if not known:
        return [f"{path.name} is altered" if path.exists() else "it has not been run"]
    found = []
    outputs = fingerprint.of_files([folder / name for name in known["outputs"]], folder)
    for name, digest in known["outputs"].items():
        if name not in outputs:
            found.append(f"{name} is missing")
        elif outputs[name] != digest:
            found.append(f"{name} is altered")
    today = inputs(source, root)
    for name in sorted(today.keys() | known["inputs"].keys()):
        if today.get(name) != known["inputs"].get(name):
            found.append(f"{name} has changed since")
    if known["parameters"] != values:
        found.append("it was run with other parameters")
    return found


def strays(folder: Path, names: Collection[str]) -> list[str]:
    """Return the files in a folder that no run of the notebooks of these names has left.

    Hidden files, and pages of the book, which are made anew each time, may be there as well.
    """
    files = {path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()}
    pages = {path.relative_to(folder) for path in folder.glob("*.md")}
    found = {path.as_posix() for path in files - pages if not _is_hidden(path)}
    made = {f"{name}{end}" for name in names for end in (".json", ".failed.ipynb")}
    return sorted(found - made - owners(folder, names).keys())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def owners(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return which of some notebooks has made each file in a folder."""
    made = {name: read(folder / f"{name}.json").get("outputs", ()) for name in names}
    return {output: name for name, outputs in made.items() for output in outputs}


def others(source: Path, root: Path, folder: Path) -> dict[str, str]:
    """Return which other notebook, as it is today, has made each file in a folder."""
    known = [other for other in fingerprint.notebooks(root) if other.stem != source.stem]
    return owners(folder, (other.stem for other in known if _is_of_today(other, root, folder)))


def _is_of_today(source: Path, root: Path, folder: Path) -> bool:
    try:
        return read(folder / f"{source.stem}.json").get("inputs") == inputs(source, root)
    except (OSError, ValueError):  # somebody works at it, and it is no notebook for now
        return False


def sync(*paths: Path) -> None:
    """Have the disk hold files or folders for good."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
