"""Content hashes, by which the tools tell what is up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def of_files(paths: Iterable[Path], root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path relative to ``root``, sorted."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(set(paths))
        if path.is_file()
    }


def moments(paths: Iterable[Path]) -> dict[str, int]:
    """Return when each file last changed in any way, be it to what it had been before."""
    return {str(path): path.stat().st_ctime_ns for path in paths if path.is_file()}


def of_value(value: Any) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def notebooks(root: Path) -> list[Path]:
    """Return the notebooks, in the order in which they run; hidden files are an editor's."""
    found = sorted((root / "notebooks").glob("*.ipynb"))
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def package_sources(root: Path) -> list[Path]:
    """Return what every result depends on: splitlib and the lock."""
    package = [path for path in (root / "splitlib").rglob("*") if "__pycache__" not in path.parts]
    return [*package, root / "requirements.lock"]


def reproduction_sources(root: Path, code: Iterable[str]) -> list[Path]:
    """Return the modules of `reproduction` that code imports, and the data files of their names.

    Modules that these import count too.
    """
    folder = root / "reproduction"
    modules = {path.stem for path in folder.glob("*.py")}
    found: set[str] = set()
    new = {name for source in code for name in _imported(source, folder.name, modules)}
    while new:
        found |= new
        sources = [(folder / f"{name}.py").read_text("utf-8") for name in new]
        new = {name for source in sources for name in _imported(source, folder.name, modules)}
        new -= found
    kinds = (".py", ".yml", ".json")
    return [path for name in found for path in folder.glob(f"{name}.*") if path.suffix in kinds]


def _imported(source: str, package: str, modules: set[str]) -> set[str]:
    """Return which modules of a package a source imports; all of them if it cannot be compiled.

    It is not parsed to a tree: where notebooks run in threads, Python 3.11 may fail to build it.
    """
    try:
        codes = [compile(source, package, "exec", dont_inherit=True)]
    except SyntaxError:  # a magic of IPython, which may hide an import
        return modules
    found: set[str] = set()
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for kind, what in ModuleFinder().scan_opcodes(code):
            if kind != "store":
                names, base = what[-2:]
                start = f"{package}." if kind == "relative_import" else ""
                first, *rest = filter(None, f"{start}{base}".split("."))
                if first == package:
                    found |= modules & {"__init__", *(rest[:1] or names or ())}
    return found
