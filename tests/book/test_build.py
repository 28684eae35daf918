"""Building the book: what it refuses, each time, and the numbers of equations."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.runner.projects import make_project, write_notebook
from tools import assets, book, manifest, notebooks
from tools.fingerprint import ROOT

FIGURE = (
    "from pathlib import Path\nimport matplotlib.pyplot as plt\n"
    'Path("figures").mkdir()\nplt.plot([1, 2])\nplt.savefig("figures/one.png")'
)
CONFIG = "title: A book\nauthor: Nobody\nonly_build_toc_files: true\n"
CONFIG += "execute: {execute_notebooks: 'off'}\nlatex: {latex_engine: xelatex}\n"
TOC = "format: jb-book\nroot: book/index\nparts: [{chapters: [{file: book/executed/one/index}]}]\n"
INDEX = (
    "# A book\n\n![A line](executed/one/figures/one.png)\n\n[A page](executed/one/index.ipynb)\n"
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A book of two pages, built once for all tests."""
    root = make_project(tmp_path_factory.mktemp("built"))
    for folder in ("_static", "tools", "book"):
        (root / folder).mkdir()
    files = {
        "_config.yml": CONFIG,
        "_toc.yml": TOC,
        "book/index.md": INDEX,
        "package-lock.json": "",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    write_notebook(root, "one", "# The figure", FIGURE, "6 * 7")
    source = root / "notebooks" / "one.ipynb"
    content = json.loads(source.read_text())
    title = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# One"}
    content["cells"].insert(0, title)
    source.write_text(json.dumps(content))
    assert notebooks.main(["run"], root) == 0
    assert book.build(root)
    return root


@pytest.fixture
def small_book(built, tmp_path):
    """A copy of the built book."""
    return shutil.copytree(built, tmp_path / "book")


def executed(root):
    return manifest.executed(root) / "one"


def fail(root):
    write_notebook(root, "one", "1 / 0")
    assert notebooks.main(["run"], root) == 1


def make_stale(root):
    (root / "splitlib" / "model.py").write_text("changed = True")


def lose_figure(root):
    (executed(root) / "figures" / "one.png").unlink()


def unexecute(root):
    path = executed(root) / "index.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1].update(execution_count=None, outputs=[])
    path.write_text(json.dumps(content))


def show_source(root):
    (root / "_toc.yml").write_text(TOC.replace("book/executed/one/index", "notebooks/one"))


def show_what_nothing_makes(root):
    shutil.copytree(executed(root), executed(root).with_name("two"))
    (root / "_toc.yml").write_text(TOC.replace("one/", "two/"))


def link_nowhere(root):
    (root / "book" / "index.md").write_text(INDEX.replace("index.ipynb", "two.ipynb"))


def show_no_figure(root):
    (root / "book" / "index.md").write_text(INDEX.replace("one.png", "two.png"))


def point_nowhere_in_html(root):
    page = (
        INDEX + '\n<a href="executed/one/index.html#two">x</a> <img src="two.png" alt="nothing">\n'
    )
    (root / "book" / "index.md").write_text(page)


def forget_page(root):
    (root / "_toc.yml").write_text(TOC.replace("book/executed/one/index", "book/chapter"))


def make_and_run(root):
    """Do what ``make book`` does."""
    return notebooks.main(["run"], root) == 0 and book.build(root)


@pytest.mark.parametrize(("breaking", "said"), [
    (make_stale, "one: splitlib/model.py has changed since"),
    (lose_figure, "one: figures/one.png is missing"),
    (unexecute, "one: index.ipynb is altered"),
    (show_source, "the book shows executed notebooks only"),
    (show_what_nothing_makes, "two: its notebook is gone"),
])  # fmt: skip
def test_the_book_is_refused_whatever_does_not_verify(small_book, capsys, breaking, said):
    breaking(small_book)
    for _ in range(2):
        assert not book.build(small_book)
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("breaking", [
    fail, link_nowhere, show_no_figure, point_nowhere_in_html, forget_page,
])  # fmt: skip
def test_make_book_fails_the_first_time_and_the_second(small_book, breaking):
    page = small_book / "_build" / "html" / "book" / "index.html"
    good = page.read_bytes()
    if breaking is fail:
        write_notebook(small_book, "one", "1 / 0")
    else:
        breaking(small_book)
    for _ in range(2):
        assert not make_and_run(small_book)
        assert page.read_bytes() == good, "the last good book stays"


def test_each_thing_that_html_points_at_and_is_not_there_is_named(tmp_path):
    page = '<h1 id="here">x</h1><a href="#here">x</a><a href="one.html#there">x</a>'
    page += '<img src="two.png"><a href="https://example.org">x</a><link href="three.css">'
    (tmp_path / "one.html").write_text(page)
    said = book.broken_links(tmp_path)
    for broken in ("one.html#there", "two.png", "three.css"):
        assert sum(broken in each for each in said) == 1
    assert len(said) == 3


def test_make_book_mends_what_running_again_mends(small_book):
    lose_figure(small_book)
    assert make_and_run(small_book)
    assert not book.obstacles(small_book)


def test_a_built_book_is_left_alone_and_a_damaged_one_is_built_again(small_book, capsys):
    page = small_book / "_build" / "html" / "book" / "index.html"
    before = page.read_bytes()
    assert book.build(small_book)
    assert "The book is up to date." in capsys.readouterr().out
    page.write_bytes(before.replace(b"A book", b"A cook"))
    assert book.build(small_book)
    assert page.read_bytes() == before


def test_a_users_settings_for_docutils_do_not_count(small_book, monkeypatch):
    (small_book / "book" / "index.md").write_text(INDEX + "\n```{include} nothing.md\n```\n")
    settings = small_book / "docutils.conf"
    settings.write_text("[general]\nreport_level: 5\nhalt_level: 5\n")
    monkeypatch.setenv("DOCUTILSCONFIG", str(settings))
    assert not book.build(small_book)


def test_a_book_whose_assets_cannot_be_had_is_not_built(small_book, monkeypatch, capsys):
    (small_book / "book" / "index.md").write_text(INDEX + "\nMore.\n")
    fails = [sys.executable, "-c", "raise SystemExit('no network')"]
    monkeypatch.setattr(book.assets, "fetch", lambda: subprocess.run(fails, check=True))
    assert book.main(small_book) == 1
    said = capsys.readouterr().err
    assert "npm could not fetch what the pages load" in said
    assert "Traceback" not in said


def test_a_book_that_was_killed_between_its_last_two_steps_is_still_there(small_book):
    html = small_book / "_build" / "html"
    good = (html / "book" / "index.html").read_bytes()
    (html.parent / "staging").mkdir()
    html.rename(html.parent / "staging" / "old")
    link_nowhere(small_book)
    assert not book.build(small_book)
    assert (html / "book" / "index.html").read_bytes() == good


def test_a_book_whose_sources_change_while_it_is_built_is_not_put_into_place(
    small_book, monkeypatch, capsys
):
    (small_book / "book" / "index.md").write_text(INDEX + "\nMore.\n")
    page = small_book / "_build" / "html" / "book" / "index.html"
    good = page.read_bytes()

    def edit():
        (small_book / "book" / "index.md").write_text(INDEX + "\nMore, and more.\n")

    with monkeypatch.context() as patched:
        patched.setattr(book.assets, "fetch", edit)
        assert not book.build(small_book)
    assert "book/index.md changed while the book was built" in capsys.readouterr().err
    assert page.read_bytes() == good
    assert book.build(small_book)
    assert b"More, and more." in page.read_bytes()


def test_assets_are_fetched_again_when_one_is_altered(tmp_path, monkeypatch):
    without = shutil.ignore_patterns("node_modules")
    folder = shutil.copytree(ROOT / ".assets", tmp_path / "assets", ignore=without)
    monkeypatch.setattr(assets, "FOLDER", folder)
    monkeypatch.setattr(assets.subprocess, "run", lambda *what, **how: pytest.fail("fetched"))
    assets.fetch()
    (folder / "static" / "assets" / "widgets.js").write_text("// nothing")
    with pytest.raises(pytest.fail.Exception, match="fetched"):
        assets.fetch()


EQUATION = "Title\n=====\n\n.. math:: a\n   :label: {}\n\n:eq:`eq-7`\n"


@pytest.mark.parametrize(("second", "number"), [("eq-3", "3"), ("eq-b3", "B3"), ("eq-7", None)])
def test_equations_bear_the_number_of_their_label(tmp_path, second, number):
    (tmp_path / "index.rst").write_text(EQUATION.format("eq-7") + "\n.. toctree::\n\n   other\n")
    (tmp_path / "other.rst").write_text(EQUATION.format(second))
    command = [sys.executable, "-m", "sphinx", "-C", "-W", "-q", "-b", "html"]
    command += ["-D", "extensions=tools.sphinx_numbers", str(tmp_path), str(tmp_path / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == bool(number), done.stderr
    if number:
        page = (tmp_path / "html" / "other.html").read_text()
        assert f'class="eqno">({number})' in page
        assert 'href="index.html#equation-eq-7">(7)</a>' in page
    else:
        assert "duplicate label of equation eq-7" in done.stderr
