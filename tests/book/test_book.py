"""The built book: every page is there and full, and everything that it points at exists."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup

from tools import book
from tools.fingerprint import ROOT

HTML = ROOT / "_build" / "html"
PAGES = book.pages(ROOT)
FIGURES = [page for page in PAGES if "/executed/fig" in page]


@pytest.fixture(autouse=True, scope="module")
def _built():
    if not (HTML / "index.html").is_file():
        pytest.fail("there is no built book: run `make book` first", pytrace=False)


@cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


def page(name):
    return parse(HTML / f"{name}.html")


def article(name):
    """Return what a chapter itself says, without navigation."""
    return page(name).find("article", class_="bd-article")


def targets(name):
    return book.targets(HTML / f"{name}.html", page(name))


def test_first_page_leads_into_the_book():
    content = parse(HTML / "index.html").find("meta")["content"]
    assert (HTML / content.partition("url=")[2]).is_file()


@pytest.mark.parametrize("name", PAGES)
def test_page_has_a_title_and_says_something(name):
    text = article(name)
    assert text.find("h1")
    assert len(text.get_text().split()) > 50


def test_everything_a_page_points_at_exists():
    assert not book.broken_links(HTML)


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_nothing_from_another_host(name):
    loaded = page(name).select("script[src], link[rel=stylesheet], img, iframe, source")
    addresses = [tag.get("src") or tag.get("href") for tag in loaded]
    assert not [text for text in addresses if text and urlsplit(text).netloc]


@pytest.mark.parametrize("name", PAGES)
def test_every_image_has_a_description(name):
    images = page(name).find("main").find_all("img")
    assert not [str(tag)[:120] for tag in images if len(tag.get("alt", "")) < 20]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_left_unresolved(name):
    text = BeautifulSoup(str(article(name)), "html.parser")
    assert not text.select(".problematic, .system-message, .pending_xref")
    for code in text.select("pre, code, script, .math"):
        code.decompose()
    leftover = r".{0,30}(?:\{\w+(?::\w+)?\}`|\$\$|\bundefined\b|\bnan\b|\?\?).{0,30}"
    assert not re.findall(leftover, text.get_text())


def test_only_the_explorer_is_a_widget():
    with_widgets = {name for name in PAGES if page(name).select("script[type*=widget-view]")}
    assert with_widgets == {"book/index", "book/executed/explorer/index"}


@pytest.mark.parametrize("name", PAGES)
def test_no_output_is_an_error_or_a_warning(name):
    assert not article(name).select(".output.traceback, .output.stderr")


def test_each_equation_stands_once_with_its_number():
    found = {}
    for name in PAGES:
        for equation in page(name).select("div.math[id^=equation-eq-]"):
            number = equation.find(class_="eqno").get_text().strip("()#¶ ").partition(")")[0]
            found.setdefault(equation["id"], []).append((name, number))
    of_the_paper = {f"equation-eq-{number}" for number in range(1, 20)}
    of_the_bound = {label for label in found if label.startswith("equation-eq-b")}
    assert of_the_paper < found.keys() == of_the_paper | of_the_bound
    for label, places in found.items():
        assert len(places) == 1, f"{label} stands in {places}"
        assert places[0][1] == label.rpartition("-")[2].upper()
        assert (places[0][0] == "book/bound") == (label in of_the_bound)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_page_shows_figures_and_offers_its_numbers(name):
    made = list((ROOT / name).parent.glob("figures/*.png"))
    assert len(article(name).select(".cell_output img")) == len(made) == 2
    offered = {Path(file).suffix for tag, file, _ in targets(name) if "download" in tag.attrs}
    assert {".csv", ".png", ".svg"} <= offered


@pytest.mark.parametrize("name", FIGURES)
def test_figure_page_can_be_had_as_a_notebook(name):
    assert any(file.suffix == ".ipynb" and file.is_file() for _, file, _ in targets(name))


def test_pages_with_formulas_load_mathjax_from_the_book():
    with_formulas = [name for name in PAGES if page(name).select(".math")]
    assert len(with_formulas) > len(PAGES) // 2
    for name in with_formulas:
        scripts = [file.name for tag, file, _ in targets(name) if tag.name == "script"]
        assert "tex-svg.js" in scripts, name
