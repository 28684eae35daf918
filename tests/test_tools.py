"""The book's refusals and the equation numbers, on projects of a few lines."""

import subprocess
import sys

import pytest

from tests.projects import make_project, write_notebook
from tools import book, notebooks


def test_the_book_is_refused_while_a_notebook_is_stale(project, capsys):
    (project / "_toc.yml").write_text(
        "root: index\nparts: [{chapters: [{file: book/executed/one}]}]\n"
    )
    (project / "splitlib" / "model.py").write_text("changed = True")
    assert not book.build(project)
    assert "not up to date: one" in capsys.readouterr().err
    assert not (project / "_build").exists()


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
