"""Content hashes, by which the tools tell what is up to date."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def of_files(paths: Iterable[Path], root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path relative to ``root``, sorted."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(set(paths))
        if path.is_file()
    }


def of_value(value: Any) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


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
    """Return which modules of a package a source imports; all of them if it cannot be parsed."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # a magic of IPython, which may hide an import
        return modules
    names: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package * (node.level == 1), node.module]))
            names += [f"{module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names]
    return modules & {
        name for first, *rest in parts if first == package for name in ("__init__", *rest[:1])
    }
