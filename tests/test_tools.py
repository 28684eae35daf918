"""The notebook runner, the book's refusals and the equation numbers, on projects of a few lines."""

import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import book, notebooks
from tools.fingerprint import ROOT

SHOW_BAR = "from tqdm import tqdm\nfor i in tqdm(range(3)):\n    pass"
WRITE_CSV = 'from pathlib import Path\nPath("one.csv").write_text("1,2")'
PRINT_BOTH = "import sys\nfor i in range(50):\n    print(i)\n    print(i, file=sys.stderr)"


def write_notebook(root, name, *sources):
    """Write a notebook of these cells; the last one is a table that nbval checks."""
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    cells[-1].metadata["tags"] = [notebooks.CHECKED]
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(notebooks.strip(new_notebook(cells=cells)), path)
    return path


def make_project(root):
    for folder in ("notebooks", "splitlib"):
        (root / folder).mkdir(parents=True)
    (root / "splitlib" / "model.py").write_text("")
    (root / "requirements.lock").write_text("")
    write_notebook(root, "one", PRINT_BOTH, WRITE_CSV, "6 * 7")
    return root


def run(root, *names):
    return notebooks.main(["run", *names], root)


def up_to_date(root):
    return notebooks.is_up_to_date(root / "notebooks" / "one.ipynb", root)


def outputs(root):
    """Return the bytes of every file in ``book/executed``."""
    executed = root / "book" / "executed"
    files = (path for path in executed.rglob("*") if path.is_file())
    return {path.relative_to(executed).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose notebook has run, once for all tests."""
    root = make_project(tmp_path_factory.mktemp("finished"))
    assert run(root) == 0
    return root


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project."""
    return shutil.copytree(finished, tmp_path / "project")


def test_a_run_makes_notebook_data_and_manifest(finished):
    assert outputs(finished).keys() == {"one.ipynb", "one.csv", "one.json"}


def test_a_second_run_does_nothing(project, capsys):
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    assert run(project) == 0
    assert "one: up to date" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in project.rglob("*")}


@pytest.mark.parametrize(
    "changed",
    ["splitlib/model.py", "requirements.lock", "book/executed/one.csv", "book/executed/one.ipynb"],
)
def test_any_changed_file_makes_it_stale(project, changed):
    with (project / changed).open("a") as file:
        file.write(" ")
    assert not up_to_date(project)


@pytest.mark.parametrize("missing", ["one.csv", "one.ipynb", "one.json"])
def test_any_missing_file_makes_it_stale(project, missing):
    (project / "book" / "executed" / missing).unlink()
    assert not up_to_date(project)


@pytest.mark.parametrize(("cell", "stale"), [("1", False), ("# claims.load\n1", True)])
def test_changed_claims_make_stale_what_reads_them(project, cell, stale):
    claims = project / "book" / "claims.yml"
    claims.write_text("- id: one")
    source = write_notebook(project, "one", cell)
    before = notebooks.inputs_hash(source, project)
    claims.write_text("- id: two")
    assert (notebooks.inputs_hash(source, project) != before) == stale


def test_a_file_added_to_splitlib_makes_it_stale(project):
    (project / "splitlib" / "new.py").write_text("")
    assert not up_to_date(project)


def test_a_changed_notebook_runs_again_and_leaves_nothing_old(project):
    write_notebook(project, "one", "6 * 7")
    assert not up_to_date(project)
    assert run(project) == 0
    assert up_to_date(project)
    assert outputs(project).keys() == {"one.ipynb", "one.json"}


def test_two_runs_give_the_same_bytes(finished, tmp_path):
    again = make_project(tmp_path)
    assert run(again) == 0
    assert outputs(again) == outputs(finished)


def test_two_runs_of_the_books_notebooks_give_the_same_bytes(tmp_path, monkeypatch):
    """With a widget, whose ids are random, a sweep and its figures, and a bar, full of times."""
    monkeypatch.delenv("TQDM_DISABLE")
    made = []
    for index in range(2):
        project = make_project(tmp_path / f"{index}")
        write_notebook(project, "one", SHOW_BAR, "6 * 7")
        for name in ("explorer", "fig3_split_availability"):
            source = (ROOT / "notebooks" / f"{name}.ipynb").read_text()
            for long, short in (
                ("n_slots = 200_000", "n_slots = 60_000"),
                ("seeds = 10", "seeds = 2"),
            ):
                source = source.replace(long, short)
            (project / "notebooks" / f"{name}.ipynb").write_text(source)
        assert run(project) == 0
        made.append(outputs(project))
    assert "widget-view" in made[0]["explorer.ipynb"].decode()
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("answer = 1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", "ended early"),
        ("import os; os._exit(0)", "Kernel died"),
        ("import time; time.sleep(60)", "timed out"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failed_run_keeps_the_last_good_output(project, capsys, monkeypatch, cell, said):
    monkeypatch.setattr(notebooks, "CELL_SECONDS", 5)
    before = outputs(project)
    write_notebook(project, "one", WRITE_CSV.replace("1,2", "3,4"), cell, "6 * 7")
    assert run(project) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert cell in complaint
    after = outputs(project)
    assert after.pop("one.failed.ipynb")
    assert {name: after[name] for name in before} == before
    assert not up_to_date(project)


def test_a_good_run_removes_the_failed_one(project):
    (project / "book" / "executed" / "one.failed.ipynb").write_text("{}")
    write_notebook(project, "one", "6 * 7")
    assert run(project) == 0
    assert "one.failed.ipynb" not in outputs(project)


def test_kernels_are_this_interpreter_whatever_is_registered(project, tmp_path, monkeypatch):
    decoy = tmp_path / "kernels" / "python3"
    decoy.mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "decoy", "language": "python"}
    (decoy / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    write_notebook(project, "one", f"import sys\nassert sys.executable == {sys.executable!r}", "1")
    assert run(project) == 0


def test_an_unknown_name_is_refused_in_one_line(project, capsys):
    with pytest.raises(SystemExit) as refused:
        run(project, "on")
    assert refused.value.code == 2
    assert capsys.readouterr().err == "no notebook is called 'on', did you mean one?\n"


def test_accept_copies_the_checked_table_only_and_strip_keeps_it(project):
    source = project / "notebooks" / "one.ipynb"
    assert notebooks.main(["check"], project) == 0
    assert notebooks.main(["accept"], project) == 0
    text, data, table = nbformat.read(source, as_version=4).cells
    assert not text.outputs
    assert not data.outputs
    assert table.outputs[0].data["text/plain"] == "42"
    assert up_to_date(project)
    accepted = source.read_bytes()
    assert notebooks.main(["strip"], project) == 0
    assert source.read_bytes() == accepted


def test_strip_removes_what_a_run_leaves_and_check_finds_it(project, capsys):
    source = project / "notebooks" / "one.ipynb"
    clean = source.read_bytes()
    shutil.copy(project / "book" / "executed" / "one.ipynb", source)
    assert notebooks.main(["check"], project) == 1
    assert "one.ipynb holds outputs" in capsys.readouterr().err
    assert notebooks.main(["strip"], project) == 0
    assert notebooks.main(["check"], project) == 0
    stripped = nbformat.read(source, as_version=4)
    assert [cell.source for cell in stripped.cells] == [
        cell.source for cell in nbformat.reads(clean.decode(), as_version=4).cells
    ]
    assert [len(cell.outputs) for cell in stripped.cells] == [0, 0, 1]


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
