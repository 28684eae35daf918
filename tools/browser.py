"""Find a Chromium for what needs a real browser (tests and benchmarks), or install one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")

#: No sandbox, which root may not use, and no requests of the browser's own.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find() -> str | None:
    """Return the path of a Chromium or Chrome of this machine, if it has one."""
    for command in _COMMANDS:
        if found := shutil.which(command):
            return found
    if _MAC.is_file():
        return str(_MAC)
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """Start Chromium; it ends with the block.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    executable = find()
    if not executable:
        raise FileNotFoundError("there is no Chromium: run `python -m tools.browser` first")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        try:
            yield running
        finally:
            running.close()


def install() -> None:
    """Install Chromium: Debian's package where one may, Playwright's build elsewhere."""
    if shutil.which("apt-get") and os.geteuid() == 0 and Path("/etc/debian_version").is_file():
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "chromium"], check=True)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    if not find():
        print("Installing Chromium for the tests in a browser")
        install()
    if not find():
        raise SystemExit("The tests need Chromium, and it could not be installed.")
