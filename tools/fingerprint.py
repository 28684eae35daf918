"""Content hashes, by which the tools tell what is up to date."""

from __future__ import annotations

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
