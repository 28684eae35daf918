"""Build the book from what has been executed, only when something has changed.

The book never runs a notebook; it is refused while anything that notebooks have made does not
verify, and no notebook can run while it is built. It is built from nothing in a folder of its own
and put into place when all went well, so that neither a removed page nor half a book is ever to be
seen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from sphinx_external_toc.parsing import parse_toc_yaml

from reproduction import scorecard
from tools import assets, dependable, environment, fingerprint, manifest, notebooks, runner

SCORECARD = "book/executed/scorecard"

#: Pages that are made from the numbers of the notebooks.
GENERATED = (SCORECARD, "book/executed/claims")

STAMP = ".state"
_HIDDEN = {".staging", ".locks"}  # of runs, not of the book


def pages(root: Path) -> list[str]:
    """Return the files of the table of contents, without extension."""
    return list(parse_toc_yaml(root / "_toc.yml"))


def content(root: Path) -> dict[str, str]:
    """Return the hash of everything that the book is made from, by name."""
    return {"Python": sys.version, **fingerprint.of_files(_sources(root), root)}


def _sources(root: Path) -> list[Path]:
    files = [root / name for name in ("_config.yml", "_toc.yml", "package-lock.json")]
    files += (root / "_static").rglob("*")
    files += [path for path in (root / "book").rglob("*") if not _HIDDEN & {*path.parts}]
    return [*files, *_code(root), *fingerprint.package_sources(root)]


def _code(root: Path) -> list[Path]:
    """Return what builds the book."""
    return [*(root / "tools").glob("*"), *(root / "reproduction").glob("*")]


def state(made_from: Mapping[str, str], html: Path) -> str:
    """Return the hash of what a book is made from, and of what it consists of."""
    built = [path for path in html.rglob("*") if path.name != STAMP]
    return fingerprint.of_value([made_from, fingerprint.of_files(built, html)])


def obstacles(root: Path) -> list[str]:
    """Return why the book cannot be built from what is there."""
    sources = fingerprint.notebooks(root)
    found = environment.drift(root) + notebooks.problems(sources, root)
    made = {f"book/executed/{source.stem}" for source in sources} | set(GENERATED)
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
    names = [source.stem for source in fingerprint.notebooks(root)]
    code = fingerprint.moments(_code(root))  # before another process is waited for
    with runner.locked(manifest.folder_of_book(root), names):
        if found := obstacles(root):
            print("\n".join(found), "Run `make figures` first.", sep="\n", file=sys.stderr)
            return False
        return _build(root, code)


def _build(root: Path, code: Mapping[str, int]) -> bool:
    if SCORECARD in pages(root):
        scorecard.write_pages(root)
    if dependable.PAGE in pages(root):
        dependable.write_tables(root)
    # Of this process alone: what a killed one has left may still be writing into its own.
    html, staging = root / "_build" / "html", root / "_build" / f"staging-{os.getpid()}"
    made_from, moments = content(root), fingerprint.moments(_sources(root)) | dict(code)
    if (html / STAMP).exists() and (html / STAMP).read_text() == state(made_from, html):
        print("The book is up to date.")
        return True
    try:
        assets.fetch()
    except subprocess.CalledProcessError:
        runner.raise_if_stopped()  # a terminal sends Ctrl-C to npm as well
        print("npm could not fetch what the pages load; it says above why.", file=sys.stderr)
        return False
    for left in html.parent.glob("staging*"):
        if (left / "old").exists() and not html.exists():  # killed between its last two steps
            os.replace(left / "old", html)
        shutil.rmtree(left, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(root)]
    command += ["--path-output", str(staging), "-W", "-n", "--keep-going", "-q"]
    print("Building the book", flush=True)
    variables = os.environ | runner.KERNEL_ENVIRONMENT | {"PYTHONPATH": str(root)}
    variables |= {"DOCUTILSCONFIG": os.devnull}  # else there are four places for a user's settings
    if _end(subprocess.Popen(command, env=variables)) != 0:
        return False
    built = staging / "_build" / "html"
    missing = [page for page in pages(root) if not (built / f"{page}.html").is_file()]
    if missing:
        print(f"pages were not built: {', '.join(missing)}", file=sys.stderr)
        return False
    if broken := broken_links(built):
        print("what pages point at is not there:", *broken, sep="\n", file=sys.stderr)
        return False
    changed = {name for name, _ in made_from.items() ^ content(root).items()}
    touched = moments.items() ^ fingerprint.moments(_sources(root)).items()
    if changed := changed or {Path(path).relative_to(root).as_posix() for path, _ in touched}:
        names = ", ".join(sorted(changed))
        print(f"changed while the book was built: {names}. Build it again.", file=sys.stderr)
        return False
    if found := obstacles(root):  # of between the first look and the hashes
        print("\n".join(found), file=sys.stderr)
        return False
    (built / STAMP).write_text(state(made_from, built))
    runner.raise_if_stopped()  # for the last time: the rest takes no time
    if html.exists():
        os.replace(html, staging / "old")
    os.replace(built, html)
    shutil.rmtree(staging)
    return True


def _end(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, which comes at once if this one is to stop."""
    while True:
        try:
            code = process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            if runner.stop_wanted():
                process.kill()
        else:
            runner.raise_if_stopped()
            return code


def main(root: Path = fingerprint.ROOT) -> int:
    """Build the book and say where it is; return the exit code."""
    try:
        with runner.stoppable():
            built = build(root)
    except runner.Stopped as stopped:
        print(f"Stopped by {stopped}; the last book is as it was.", file=sys.stderr)
        return 128 + stopped.number
    if not built:
        print("The book was not built.", file=sys.stderr)
        return 1
    index = root / "_build" / "html" / "index.html"
    print(f"Open {index}\n     {index.as_uri()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
