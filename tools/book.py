"""Build the book from what has been executed, only when something has changed.

The book never runs a notebook; it is refused while anything that notebooks have made does not
verify. It is built from nothing in a folder of its own and put into place when all went well, so
that neither a removed page nor half a book is ever to be seen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

from reproduction import scorecard
from tools import assets, dependable, environment, fingerprint, manifest, run

SCORECARD = "book/executed/scorecard"

#: Pages that are made from the numbers of the notebooks.
GENERATED = (SCORECARD, "book/executed/claims")

STAMP = ".state"

#: What ``jupyter-book build -n -W --keep-going -q`` does, but on all cores.
_JUPYTER_BOOK = """
import os, sys
from jupyter_book.sphinx import build_sphinx
sys.exit(build_sphinx(
    sys.argv[1], sys.argv[2], path_config=f"{sys.argv[1]}/_config.yml", noconfig=True,
    confoverrides={"nitpicky": True, "latex_individualpages": False},
    warningiserror=True, keep_going=True, quiet=True, jobs=os.cpu_count()))
"""


def pages(root: Path) -> list[str]:
    """Return the files of the table of contents, without extension."""
    return list(parse_toc_yaml(root / "_toc.yml"))


def content(root: Path) -> dict[str, str]:
    """Return the hash of everything that the book is made from, by name."""
    files = [root / name for name in ("_config.yml", "_toc.yml", "package-lock.json")]
    files += (root / "_static").rglob("*")
    files += [path for path in (root / "book").rglob("*") if "/." not in path.as_posix()]
    files += [*(root / "tools").glob("*"), *(root / "reproduction").glob("*")]
    files += fingerprint.package_sources(root)
    return {"Python": sys.version, **fingerprint.of_files(files, root)}


def state(made_from: dict[str, str], html: Path) -> str:
    """Return the hash of what a book is made from, and of what it consists of."""
    built = [path for path in html.rglob("*") if path.name != STAMP]
    return fingerprint.of_value([made_from, fingerprint.of_files(built, html)])


def obstacles(root: Path) -> list[str]:
    """Return why the book cannot be built from what is there."""
    sources = manifest.notebooks(root)
    found = environment.drift(root) + manifest.problems(sources, root)
    made = {f"book/executed/{source.stem}/index" for source in sources} | set(GENERATED)
    for page in pages(root):
        if page.startswith("notebooks/"):
            found.append(f"{page}: the book shows executed notebooks only, from book/executed")
        if page.startswith("book/executed/") and page not in made:
            found.append(f"{page}: no notebook makes this page")
    return found


def broken_links(html: Path) -> list[str]:
    """Return what the pages of a built book point at in it that is not there.

    Sphinx checks its own links, but not HTML in a page or in the output of a cell.
    """

    @cache
    def page(path: Path) -> BeautifulSoup:
        return BeautifulSoup(path.read_text("utf-8"), "html.parser")

    @cache
    def anchors(path: Path) -> set[str]:
        return {str(tag["id"]) for tag in page(path).find_all(id=True)}

    def is_there(file: Path, anchor: str) -> bool:
        has_anchors = anchor and file.suffix == ".html"
        return file.is_file() and (not has_anchors or anchor in anchors(file))

    return [
        f"{path.relative_to(html)}: {str(tag)[:120]}"
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts  # a theme's templates
        for tag, file, anchor in targets(path, page(path))
        if not is_there(file, anchor)
    ]


def targets(path: Path, page: Tag) -> Iterator[tuple[Tag, Path, str]]:
    """Yield tag, and file and anchor in this book, of everything that a page points at."""
    for tag in page.find_all(["a", "img", "link", "script", "source", "object"]):
        address = urlsplit(str(tag.get("href") or tag.get("src") or tag.get("data") or ""))
        if not address.scheme and not address.netloc and (address.path or address.fragment):
            file = (path.parent / unquote(address.path)).resolve() if address.path else path
            yield tag, file, unquote(address.fragment)


def build(root: Path) -> bool:
    """Build the book into ``_build/html``; tell whether it worked."""
    with run.locked(root / "_build" / ".lock", "the book"):
        return _build(root)


def _build(root: Path) -> bool:
    if found := obstacles(root):
        print("\n".join(found), "Run `make figures` first.", sep="\n", file=sys.stderr)
        return False
    if SCORECARD in pages(root):
        scorecard.write_pages(root)
    if dependable.PAGE in pages(root):
        dependable.write_tables(root)
    html, staging = root / "_build" / "html", root / "_build" / "staging"
    if (staging / "old").exists() and not html.exists():  # killed between its last two steps
        os.replace(staging / "old", html)
    shutil.rmtree(staging, ignore_errors=True)
    made_from = content(root)
    if (html / STAMP).exists() and (html / STAMP).read_text() == state(made_from, html):
        print("The book is up to date.")
        return True
    try:
        assets.fetch()
    except subprocess.CalledProcessError:
        print("npm could not fetch what the pages load; it says above why.", file=sys.stderr)
        return False
    print("Building the book", flush=True)
    built = staging / "html"
    command = [sys.executable, "-c", _JUPYTER_BOOK, str(root), str(built)]
    variables = os.environ | run.KERNEL_ENVIRONMENT | {"PYTHONPATH": str(root)}
    variables |= {"DOCUTILSCONFIG": os.devnull}  # else there are four places for a user's settings
    if subprocess.run(command, env=variables, check=False).returncode != 0:
        return False
    found = [
        f"{page}: was not built" for page in pages(root) if not (built / f"{page}.html").is_file()
    ]
    found += broken_links(built)
    now = content(root)
    changed = sorted({name for name, _ in made_from.items() ^ now.items()})
    found += [f"{name} changed while the book was built; build it again" for name in changed]
    if found:
        print("\n".join(found), file=sys.stderr)
        return False
    (built / STAMP).write_text(state(made_from, built))
    if html.exists():
        os.replace(html, staging / "old")
    os.replace(built, html)
    shutil.rmtree(staging)
    return True


def main(root: Path = fingerprint.ROOT) -> int:
    """Build the book and say where it is; return the exit code."""
    try:
        built = build(root)
    except KeyboardInterrupt:
        print("Stopped; the last book is as it was.", file=sys.stderr)
        return 130
    if not built:
        print("The book was not built.", file=sys.stderr)
        return 1
    print(f"Open {(root / '_build' / 'html' / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
