"""What a run leaves beside its files: a manifest, by which each of them can be verified.

It holds the hashes of what went in and of what came out, and what else a reader of the numbers may
ask for years later. Nothing heavy is imported here: an up-to-date notebook is known at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools import fingerprint

NAME = "manifest.json"
NOTEBOOK = "index.ipynb"
_RUNNER = ("cells", "fingerprint", "manifest", "notebook_kernel", "run")


def executed(root: Path) -> Path:
    """Return the folder of the runs with the notebooks' own parameters, each in its own."""
    return root / "book" / "executed"


def notebooks(root: Path) -> list[Path]:
    """Return the notebooks; hidden files are an editor's."""
    found = sorted((root / "notebooks").glob("*.ipynb"))
    return [path for path in found if not path.name.startswith(".")]


def inputs(source: Path, root: Path) -> dict[str, str]:
    """Return the hash of everything that the outputs of a notebook depend on, by name.

    Raise ValueError if the file holds no notebook.
    """
    try:
        notebook = json.loads(source.read_text("utf-8"))
        says = [
            (cell["cell_type"], cell.get("id"), "".join(cell["source"]), cell["metadata"])
            for cell in notebook["cells"]
        ]
        # `make format` sets what is left out, and other editors change it.
        settings = sorted(notebook["metadata"].items())
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{source.name} is no notebook: {reason}") from error
    settings = [each for each in settings if each[0] not in ("kernelspec", "language_info")]
    code = [text for kind, _, text, _ in says if kind == "code"]
    runner = [root / "tools" / f"{name}.py" for name in _RUNNER]
    reproduction = fingerprint.reproduction_sources(root, code)
    files = [*fingerprint.package_sources(root), *reproduction, *runner]
    return {
        f"notebooks/{source.name}": fingerprint.of_value([says, settings]),
        "Python": sys.version,
        **fingerprint.of_files(files, root),
    }


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest in a folder, empty if there is none that can be read."""
    try:
        content = json.loads((folder / NAME).read_text("utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, RecursionError, ValueError):
        return {}


def outputs(folder: Path) -> dict[str, str]:
    """Return the hashes of the files in a folder, the manifest left out."""
    return fingerprint.of_files(set(folder.rglob("*")) - {folder / NAME}, folder)


def faults(source: Path, root: Path, folder: Path, changed: Mapping[str, Any]) -> list[str]:
    """Return, in a phrase each, why a folder does not hold what today's sources make.

    ``changed`` are the parameters that differ from the notebook's own.
    """
    known = read(folder)
    if not {"inputs", "outputs", "changed"} <= known.keys():
        return [f"its {NAME} is damaged" if (folder / NAME).exists() else "it has not been run"]
    found = list(_differences(known["outputs"], outputs(folder), "is altered"))
    found += _differences(known["inputs"], inputs(source, root), "has changed since")
    if known["changed"] != dict(changed):
        found.append("it was run with other parameters")
    return found


def _differences(then: Mapping[str, str], now: Mapping[str, str], how: str) -> Iterable[str]:
    for name in sorted(then.keys() | now.keys()):
        if name not in now:
            yield f"{name} is missing"
        elif name not in then:
            yield f"{name} is new"
        elif now[name] != then[name]:
            yield f"{name} {how}"


def problems(selected: Iterable[Path], root: Path) -> list[str]:
    """Return what is stale, missing, altered or left over in ``book/executed``, a line each."""
    found = []
    for source in selected:
        try:
            said = faults(source, root, executed(root) / source.stem, {})
        except ValueError as error:
            said = [str(error)]
        if said:
            found.append(f"{source.stem}: {', '.join(said)}")
    known = {source.stem for source in notebooks(root)}
    there = {path.parent.name for path in executed(root).glob(f"*/{NAME}")}
    left = {name for name in there - known if not name.startswith(".")}
    return found + [f"{name}: its notebook is gone, remove its folder" for name in sorted(left)]
