"""Build the book from what has been executed, only when something has changed.

The book never runs a notebook; it is refused while a notebook that it shows is not up to date. It
is built from nothing in a folder of its own and put into place when all went well, so that neither
a removed page nor half a book is ever to be seen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tools import assets, claims, fingerprint, notebooks

SCORECARD = "book/executed/scorecard"


def pages(root: Path) -> list[str]:
    """Return the files of the table of contents, without extension."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *chapters]


def inputs_hash(root: Path) -> str:
    """Return the hash of everything that the book is made from."""
    files = [root / name for name in ("_config.yml", "_toc.yml", "package-lock.json")]
    files += (root / "_static").iterdir()
    files += [path for path in (root / "book").rglob("*") if ".staging" not in path.parts]
    files += [*(root / "tools").iterdir(), *fingerprint.package_sources(root)]
    return fingerprint.of_value([fingerprint.of_files(files, root), sys.version])


def build(root: Path) -> bool:
    """Build the book into ``_build/html``; tell whether it worked."""
    stale = [
        source.stem
        for source in notebooks.sources(root)
        if f"book/executed/{source.stem}" in pages(root)
        and not notebooks.is_up_to_date(source, root)
    ]
    if stale:
        print(f"not up to date: {', '.join(stale)}; run `make figures`", file=sys.stderr)
        return False
    if SCORECARD in pages(root):
        claims.write_pages(root)
    html, staging = root / "_build" / "html", root / "_build" / "staging"
    stamp, inputs = html / ".inputs", inputs_hash(root)
    if stamp.exists() and stamp.read_text() == inputs:
        print("The book is up to date.")
        return True
    assets.fetch()
    shutil.rmtree(staging, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(root)]
    command += ["--path-output", str(staging), "-W", "-n", "--keep-going", "-q"]
    print("Building the book", flush=True)
    environment = {**os.environ, "PYTHONPATH": str(root)}
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        return False
    built = staging / "_build" / "html"
    missing = [page for page in pages(root) if not (built / f"{page}.html").is_file()]
    if missing:
        print(f"pages were not built: {', '.join(missing)}", file=sys.stderr)
        return False
    (built / ".inputs").write_text(inputs)
    shutil.rmtree(html, ignore_errors=True)
    os.replace(built, html)
    shutil.rmtree(staging)
    return True


if __name__ == "__main__":
    if not build(fingerprint.ROOT):
        raise SystemExit("The book was not built.")
    index = fingerprint.ROOT / "_build" / "html" / "index.html"
    print(f"Open {index}\n     {index.as_uri()}")
