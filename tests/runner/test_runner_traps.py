"""What once made the runner pass a wrong result for a good one, or lose a file."""

import json
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
import zmq

from tests.runner.projects import WRITE_CSV, make_project, outputs, results, write_notebook
from tests.torture.__main__ import kernels_in
from tools import cells, environment, fingerprint, manifest, notebooks, runner

#: The project's folder, from the staging folder that a kernel works in.
HERE = "from pathlib import Path\nroot = Path.cwd().parents[3]\nmodel = root / 'splitlib/model.py'"

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project")


def run(root, *names):
    return notebooks.main(["run", *names], root)


def verify(root):
    return notebooks.main(["verify"], root)


def made(root):
    return outputs(root / "book" / "executed")


def writes(name, text="1"):
    return (
        f"from pathlib import Path\npath = Path({name!r})\n"
        f"path.parent.mkdir(exist_ok=True)\npath.write_text({text!r})"
    )


def in_folder(name):
    """Return code that makes a file in a new folder."""
    return (
        f"from pathlib import Path\npath = Path({name!r})\n"
        "path.parent.mkdir(parents=True)\npath.write_text('1')"
    )


# ---- results ----


def test_no_output_is_dropped_on_its_way(project):
    """By default a thousand wait on either side, and more are lost if this process is busy."""
    unlimited = "assert get_ipython().kernel.iopub_thread.socket.sndhwm == 0"
    write_notebook(project, "one", unlimited, "1")
    assert run(project) == 0
    context = runner.OwnKernel().context
    with context.socket(zmq.SUB) as socket:
        assert socket.rcvhwm == 0
    context.term()


def test_an_error_inside_a_widget_is_an_error():
    """It has no other trace: the cell goes on after it, and papermill calls it completed."""
    cell = nbformat.v4.new_code_cell("with shown: 1 / 0", execution_count=1)
    executed = nbformat.v4.new_notebook(cells=[cell])
    assert not cells.unfinished(executed)
    error = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "", "traceback": []}
    model = {"model_name": "OutputModel", "state": {"outputs": [error]}}
    for model_id in ("0" * 32, "an id of its own"):
        executed.metadata.widgets = {cells.WIDGET_STATE: {"state": {model_id: model}}}
        assert cells.unfinished(nbformat.from_dict(executed))


@pytest.mark.parametrize("ending", [
    "import atexit, os\natexit.register(os._exit, 3)",
    "import threading, os\nthreading.Timer(0.05, os._exit, [3]).start()",
    "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()",
], ids=["an exit code", "the end before it is told to", "a kill"])  # fmt: skip
def test_a_kernel_that_does_not_end_well_may_have_cut_a_file_short(
    project, capsys, monkeypatch, ending
):
    monkeypatch.setattr(runner.OwnKernel, "shutdown_wait_time", 1.0)
    write_notebook(project, "one", "file = open('x.csv', 'w')\nfile.write('1')", ending)
    assert run(project) == 1
    assert "its kernel did not end by itself and well" in capsys.readouterr().err


def test_a_file_that_is_left_open_is_whole(project):
    write_notebook(project, "one", "file = open('x.csv', 'w')\nfile.write('1')")
    assert run(project) == 0
    assert made(project)["x.csv"] == b"1"


def test_nothing_that_ipython_has_stored_is_there_in_the_next_run(project):
    store = "y = 0\n%store -r y\ny += 1\n%store y"
    for version in ("1", "2"):
        write_notebook(project, "one", store, "open('x.csv', 'w').write(str(y))", version)
        assert run(project) == 0
        assert made(project)["x.csv"] == b"1"


def test_a_users_settings_change_no_byte(project, monkeypatch):
    said = "import sys, warnings\nprint(sys.flags, open('x.csv', 'w').encoding)\n"
    write_notebook(project, "one", said + "warnings.warn('x', ResourceWarning)")
    assert run(project) == 0
    before = results(project / "book" / "executed")
    for name in ("PYTHONDEVMODE", "PYTHONOPTIMIZE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONWARNINGS", "always")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("LC_ALL", "C")
    (project / "requirements.lock").write_text("# anew\n")
    assert run(project) == 0
    assert results(project / "book" / "executed") == before
    assert b"utf-8" in before["one.ipynb"].lower()


def test_a_source_with_the_time_and_length_of_another_is_not_taken_for_it(project):
    load = "from importlib.machinery import SourceFileLoader\n"
    load += "value = SourceFileLoader('model', str(model)).load_module().X"
    write_notebook(project, "one", HERE, load, "Path('one.csv').write_text(str(value))")
    model = project / "splitlib" / "model.py"
    model.write_text("X = 1")
    py_compile.compile(model)
    before = model.stat()
    model.write_text("X = 2")
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(project) == 0
    assert made(project)["one.csv"] == b"2"


def test_what_numba_has_compiled_is_of_todays_sources(project):
    """It does not look at the options, which are another module's."""
    (project / "splitlib" / "model.py").write_text("def f(x): return 1 / x")
    options = project / "splitlib" / "options.py"
    divide = "import sys\nsys.path.insert(0, str(root / 'splitlib'))\nfrom options import f\n"
    divide += "try: y = f(0.0)\nexcept ZeroDivisionError: y = 'error'\n"
    divide += "Path('one.csv').write_text(str(y))"

    def divided(index, by):
        write_notebook(project, "one", HERE, divide, str(index))
        text = "import model, numba\nf = numba.njit(cache=True, error_model={!r})(model.f)"
        options.write_text(text.format(by))
        assert run(project) == 0
        return made(project)["one.csv"].decode()

    assert divided(1, by="python") == "error"
    subprocess.run([sys.executable, "-c", "import options; options.f(1.0)"], check=True,
                   cwd=options.parent)  # fmt: skip
    assert divided(2, by="numpy") == "inf"
    assert len(list((options.parent / "__pycache__").glob("numba-*"))) == 1


@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"])
def test_a_users_place_for_what_numba_compiles_is_not_used(project, monkeypatch, name):
    monkeypatch.setenv(name, "elsewhere")
    write_notebook(
        project, "one", f"import os\nopen('one.csv', 'w').write(os.environ[{name!r}])", "1"
    )
    assert run(project) == 0
    used = str(runner._numba_cache(project)) if name == "NUMBA_CACHE_DIR" else ""
    assert made(project)["one.csv"].decode() == used


def test_a_runner_vouches_for_the_code_that_it_consists_of(project, monkeypatch):
    with monkeypatch.context() as older:  # one that had begun before its code was edited
        older.setattr(manifest, "_RUNNER", manifest._RUNNER | {"tools/cells.py": "before"})
        assert run(project) == 0
        assert verify(project) == 0
    assert verify(project) == 1


@pytest.mark.parametrize("source", ["model", "root / 'notebooks/one.ipynb'"])
def test_a_source_that_changes_and_changes_back_during_a_run_makes_it_fail(project, capsys, source):
    again = "text = source.read_text()\nsource.write_text('X = 2')\nsource.write_text(text)"
    write_notebook(project, "one", HERE, f"source = {source}\n{again}", "1")
    assert run(project) == 1
    assert "its sources have changed while it ran" in capsys.readouterr().err


def test_an_environment_that_changes_during_a_run_makes_it_fail(project, capsys, monkeypatch):
    answers = [[], ["numpy is 1.0, and 2.0 in the lock"]]
    monkeypatch.setattr(environment, "drift", lambda root: answers.pop(0))
    assert run(project) == 1
    said = "its environment has changed while it ran: numpy is 1.0, and 2.0 in the lock"
    assert said in capsys.readouterr().err


def test_parameters_that_change_before_a_run_begins_make_it_fail(project, capsys):
    source = write_notebook(project, "one", "1")
    job = notebooks.job_of(source, project)
    write_notebook(project, "one", "1", parameters="n: int = 4")
    assert not runner.run(job, "one", bar=False)
    assert "its parameters have changed since this command began" in capsys.readouterr().err


def test_a_run_that_is_stopped_while_git_is_asked_has_not_ended(project, monkeypatch):
    """Stopping ends all children of the runner: git then seems to know nothing."""
    job = notebooks.job_of(project / "notebooks" / "one.ipynb", project)
    monkeypatch.setattr(environment, "git_state", lambda root: runner._STOPS.append(15))
    try:
        assert not runner.run(job, "one", bar=False)
    finally:
        runner._STOPS.clear()
    assert job.faults() == ["it has not been run"]


# ---- what verifies ----


def test_what_a_removed_notebook_has_made_is_named(project, capsys):
    write_notebook(project, "two", writes("data/two.csv"), writes("tables/two.png"), "1")
    assert run(project) == 0
    (project / "notebooks" / "two.ipynb").unlink()
    assert verify(project) == 1
    said = capsys.readouterr().err
    for name in ("two.ipynb", "two.json", "data/two.csv", "tables/two.png"):
        assert f"{name}: no notebook has made it, remove it\n" in said
        (project / "book" / "executed" / name).unlink()
    assert verify(project) == 0


@pytest.mark.parametrize(("name", "value"), [
    ("id", "other"), ("attachments", {"a.png": {"image/png": "aaaa"}}),
])  # fmt: skip
def test_all_that_a_cell_says_counts(project, name, value):
    source = project / "notebooks" / "one.ipynb"
    content = nbformat.read(source, as_version=4)
    content.cells.append(nbformat.v4.new_markdown_cell("![](attachment:a.png)", id="text"))
    nbformat.write(content, source)
    before = manifest.inputs(source, project)
    content.cells[-1][name] = value
    nbformat.write(content, source)
    assert manifest.inputs(source, project) != before


def test_what_a_notebook_says_of_itself_counts_and_what_editors_say_does_not(project):
    source = project / "notebooks" / "one.ipynb"
    content = nbformat.read(source, as_version=4)
    before = manifest.inputs(source, project)
    content.metadata.language_info.version = "3.99"
    nbformat.write(content, source)
    assert manifest.inputs(source, project) == before
    content.metadata.mystnb = {"remove_code_source": True}
    nbformat.write(content, source)
    assert manifest.inputs(source, project) != before


def test_values_for_a_list_may_stand_in_round_brackets(project):
    write_notebook(project, "one", "1", parameters="V: list[float] = (1.0, 3.0)")
    assert run(project) == 0
    assert verify(project) == 0


def test_a_project_without_notebooks_is_refused(project, capsys):
    (project / "notebooks" / "one.ipynb").rename(project / "notebooks" / ".one.ipynb")
    for command in ("run", "verify", "check"):
        assert notebooks.main([command], project) == 2
        assert "refused: there are no notebooks in" in capsys.readouterr().err


def test_a_manifest_too_deep_to_read_is_altered(project, capsys):
    assert run(project) == 0
    (project / "book" / "executed" / "one.json").write_text("[" * 200_000)
    capsys.readouterr()  # where a slow machine has shown a bar
    assert verify(project) == 1
    assert capsys.readouterr().err == "one: one.json is altered\n"


# ---- whose file it is ----


def test_two_notebooks_cannot_make_one_file(project, capsys):
    write_notebook(project, "two", WRITE_CSV, "1")
    assert notebooks.main(["run", "--workers", "1"], project) == 1
    assert "one.csv is made by one as well" in capsys.readouterr().err
    assert made(project).keys() == {"one.ipynb", "one.csv", "one.json", "two.failed.ipynb"}
    assert notebooks.main(["verify", "one"], project) == 0


def test_two_notebooks_cannot_make_one_file_at_the_same_time(project, capsys):
    """The second to end finds it in place, though neither was there when both began."""
    for name, other in (("one", "two"), ("two", "one")):
        started = project / f"{name} has started"
        wait = f"import time\nopen({str(started)!r}, 'w')\n"
        wait += f"while not Path({str(project / f'{other} has started')!r}).exists():\n"
        wait += "    time.sleep(0.01)"
        write_notebook(project, name, writes("same.csv"), wait, "1")
    assert notebooks.main(["run", "--workers", "2"], project) == 1
    assert "same.csv is made by" in capsys.readouterr().err
    assert sum(notebooks.main(["verify", name], project) for name in ("one", "two")) == 1


def test_a_file_can_move_to_another_notebook(project):
    write_notebook(project, "one", writes("x.csv", "of one"), "1")
    write_notebook(project, "two", "2", "1")
    assert run(project) == 0
    write_notebook(project, "one", "2", "1")
    write_notebook(project, "two", writes("x.csv", "of two"), "1")
    for name in ("two", "one"):  # the order in which it could be lost
        assert run(project, name) == 0
    assert made(project)["x.csv"] == b"of two"
    assert verify(project) == 0


@pytest.mark.parametrize("name", ["one.json", "other.json", "other.ipynb"])
def test_the_place_of_a_manifest_or_notebook_is_not_to_be_taken(project, capsys, name):
    assert run(project) == 0
    before = made(project)
    write_notebook(project, "one", writes(name), "1")
    assert run(project) == 1
    assert f"{name} has the place of a manifest or notebook" in capsys.readouterr().err
    after = made(project)
    assert after.pop("one.failed.ipynb")
    assert after == before


def test_a_folder_of_folders_can_become_a_file_and_a_folder_again(project):
    write_notebook(project, "one", in_folder("data/deep/er/x.csv"), "1")
    assert run(project) == 0
    write_notebook(project, "one", writes("data"), "1")
    assert run(project) == 0
    assert made(project).keys() == {"one.ipynb", "one.json", "data"}
    write_notebook(project, "one", in_folder("data/deep/x.csv"), "1")
    assert run(project) == 0
    assert made(project).keys() == {"one.ipynb", "one.json", "data/deep/x.csv"}
    assert verify(project) == 0


def test_a_file_of_somebody_else_in_the_way_is_named(project, capsys):
    """All is as it was, and goes on once the way is free."""
    write_notebook(project, "one", in_folder("data/x.csv"), writes("y.csv", "1"), "1")
    assert run(project) == 0
    stray = project / "book" / "executed" / "data" / ".DS_Store"
    stray.write_text("")
    before = made(project)
    write_notebook(project, "one", writes("data"), writes("y.csv", "2"), "1")
    assert run(project) == 1
    assert "data/.DS_Store is in the way of data" in capsys.readouterr().err
    after = made(project)
    assert after.pop("one.failed.ipynb")
    assert after == before
    stray.unlink()
    assert run(project) == 0
    assert made(project)["y.csv"] == b"2"


def test_a_run_that_is_killed_while_a_folder_becomes_a_file_can_go_on(project, monkeypatch):
    write_notebook(project, "one", in_folder("data/deep/x.csv"), "1")
    assert run(project) == 0
    write_notebook(project, "one", writes("data"), "1")
    replace = os.replace

    def killed(source, target):
        replace(source, target)
        if target == project / "book" / "executed" / "data":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        assert run(project) == 130
    assert run(project) == 0
    assert made(project).keys() == {"one.ipynb", "one.json", "data"}


@pytest.mark.parametrize("name", [".staging/one/x.csv", ".one.json.tmp", ".locks/one.lock"])
def test_what_belongs_to_the_runner_is_not_to_be_made(project, capsys, name):
    write_notebook(project, "one", in_folder(name) if "/" in name else writes(name), "1")
    assert run(project) == 1
    assert "is hidden, as what belongs to the runner" in capsys.readouterr().err


def test_a_pipe_is_no_artefact(project, capsys):
    write_notebook(project, "one", "import os\nos.mkfifo('x.csv')", "1")
    assert run(project) == 1
    assert "x.csv is a link or a device" in capsys.readouterr().err


def test_a_link_is_no_artefact(project, capsys):
    link = "from pathlib import Path\nPath('x.csv').write_text('1')\n"
    link += "Path('y.csv').symlink_to(Path('x.csv').absolute())"
    write_notebook(project, "one", link, "1")
    assert run(project) == 1
    assert "y.csv is a link" in capsys.readouterr().err


def test_a_run_with_other_parameters_can_be_verified(project, capsys):
    given = ["one", "-p", "n=5"]
    assert notebooks.main(["verify", *given], project) == 1
    assert run(project, *given) == 0
    assert notebooks.main(["verify", *given], project) == 0
    next((project / "runs").glob("*/one.csv")).write_text("other")
    capsys.readouterr()
    assert notebooks.main(["verify", *given], project) == 1
    assert "one.csv is altered" in capsys.readouterr().err


def test_settings_of_the_machine_do_not_reach_a_kernel(project):
    ask = "from IPython.core import application, shellapp\n"
    ask += "found = [shellapp.SYSTEM_CONFIG_DIRS, application.ENV_CONFIG_DIRS]\n"
    ask += "open('one.csv', 'w').write(str(found))"
    write_notebook(project, "one", ask, "1")
    assert run(project) == 0
    assert made(project)["one.csv"] == b"[[], []]"


def test_a_module_that_would_hide_another_is_named(tmp_path):
    for name in ("sweep.py", "statistics.py", "sitecustomize.py", "tools.py", "tests.py"):
        (tmp_path / name).write_text("")
    for name in ("numpy", "mine", "pandas"):
        (tmp_path / name).mkdir()
    for name in ("mine", "pandas"):
        (tmp_path / name / "__init__.py").write_text("")
    assert environment.hidden(tmp_path) == ["pandas", "sitecustomize", "statistics"]
    assert environment.hidden(fingerprint.ROOT) == []


def test_a_module_that_would_hide_another_is_refused(project, monkeypatch, capsys):
    (project / "statistics.py").write_text("")
    monkeypatch.setattr(fingerprint, "ROOT", project)
    assert run(project) == 2
    said = capsys.readouterr().err
    assert "a module 'statistics'" in said
    assert "would hide another of that name" in said
    assert not made(project)


# ---- forms ----


def test_braces_in_a_path_are_no_parameters(tmp_path):
    project = make_project(tmp_path / "a {n} and {")
    write_notebook(project, "two {share}", "1")
    assert run(project) == 0
    assert verify(project) == 0
    assert "two {share}.ipynb" in made(project)


@pytest.mark.parametrize("tag", ["parameters", "injected-parameters"])
@pytest.mark.parametrize("kind", ["markdown", "code"])
def test_papermill_puts_values_where_the_schema_is(project, capsys, kind, tag):
    """It takes the first cell with either tag, of whatever kind, and says nothing."""
    source = project / "notebooks" / "one.ipynb"
    content = nbformat.read(source, as_version=4)
    other = getattr(nbformat.v4, f"new_{kind}_cell")("1", id="other", metadata={"tags": [tag]})
    content.cells.insert(0, other)
    nbformat.write(content, source)
    assert run(project, "one", "-p", "n=50") == 2
    assert tag in capsys.readouterr().err


def test_a_markdown_cell_holds_no_parameters(project, capsys):
    source = project / "notebooks" / "one.ipynb"
    content = nbformat.read(source, as_version=4)
    del content.cells[1].metadata["tags"]
    content.cells.append(nbformat.v4.new_markdown_cell("", metadata={"tags": ["parameters"]}))
    nbformat.write(content, source)
    assert run(project) == 2
    assert "must be one of code" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["moving files", ".one"])
def test_no_name_of_a_notebook_is_one_of_a_lock(project, name):
    write_notebook(project, name, "1")
    assert run(project) == 0


@pytest.mark.parametrize(("parameters", "said"), [
    ("n: int = 3.5", "n must be an integer"), ("(n): int = 3", "not `name: type = literal`"),
    ("n: int = {[1]: 2}", "n must be a literal"), ("n: int = " + "-" * 100_000 + "1", "no Python"),
])  # fmt: skip
def test_check_and_run_refuse_the_same(project, capsys, parameters, said):
    write_notebook(project, "one", "1", parameters=parameters)
    assert notebooks.main(["check"], project) == 1
    assert said in capsys.readouterr().err
    assert run(project) == 2
    assert said in capsys.readouterr().err


def test_strip_refuses_what_is_no_notebook_and_touches_nothing(project, capsys):
    dirty = project / "notebooks" / "one.ipynb"
    content = json.loads(dirty.read_text())
    content["cells"][0]["execution_count"] = 7
    dirty.write_text(json.dumps(content))
    (project / "notebooks" / "two.ipynb").write_text("half")
    before = dirty.read_bytes()
    assert notebooks.main(["strip"], project) == 2
    assert "two.ipynb is no notebook" in capsys.readouterr().err
    assert dirty.read_bytes() == before


def without_ids(content):
    for cell in content["cells"]:
        del cell["id"]


def with_one_id(content):
    for cell in content["cells"]:
        cell["id"] = "same"


@pytest.mark.parametrize("breaking", [
    without_ids, with_one_id, lambda content: content.update(nbformat_minor=None),
    lambda content: content.update(cells=3), lambda content: content.update(metadata=[]),
])  # fmt: skip
@pytest.mark.parametrize("command", ["run", "verify", "strip", "check"])
def test_no_command_breaks_at_what_is_no_notebook_of_today(project, capsys, command, breaking):
    source = project / "notebooks" / "one.ipynb"
    content = json.loads(source.read_text())
    breaking(content)
    source.write_text(json.dumps(content))
    before = source.read_bytes()
    assert notebooks.main([command], project) == (1 if command == "check" else 2)
    said = capsys.readouterr().err
    assert "one.ipynb is no notebook" in said
    assert said.count("\n") == 1
    assert source.read_bytes() == before


def test_leftovers_of_a_killed_run_go_even_if_it_had_todays_number(project):
    staging = project / "book" / "executed" / ".staging"
    for left in (f".one.{os.getpid()}", ".one.1"):
        (staging / left / "data").mkdir(parents=True)
    (staging / "one").mkdir()
    assert run(project) == 0
    assert [path.name for path in staging.iterdir()] == [".one.ipython"]


# ---- other notebooks ----


@pytest.mark.parametrize("moment", ["before", "while it runs"])
def test_a_notebook_that_somebody_works_at_keeps_no_other_from_running(project, capsys, moment):
    broken = "(root / 'notebooks/two.ipynb').write_text('<<<<<<< ours')"
    write_notebook(project, "one", HERE, broken if moment != "before" else "1", "1")
    two = write_notebook(project, "two", writes("two.csv"), "1")
    if moment == "before":
        two.write_text("<<<<<<< ours")
    assert run(project, "one") == 0
    assert "one.json" in made(project)
    assert run(project, "two") == 2
    assert "two.ipynb is no notebook" in capsys.readouterr().err


def test_a_notebook_that_breaks_before_its_turn_has_failed(project, capsys):
    job = notebooks.job_of(project / "notebooks" / "one.ipynb", project)
    job.source.write_text("<<<<<<< ours")
    assert not runner.run_all([job], workers=1)
    said = capsys.readouterr().err
    assert "one failed: ValueError: one.ipynb is no notebook" in said


def test_a_killed_run_is_not_finished_with_what_another_makes_by_now(project, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(runner, "_move", lambda job: None)  # killed
        assert run(project) == 0
    write_notebook(project, "one", "1")
    write_notebook(project, "two", writes("one.csv", "two's"), "1")
    assert run(project, "two") == 0
    assert run(project, "one") == 0
    assert made(project)["one.csv"] == b"two's"
    assert verify(project) == 0


def test_a_folder_on_another_disk_is_named_before_anything_moves(project, monkeypatch, capsys):
    (project / "book" / "executed" / "data").mkdir(parents=True)
    write_notebook(
        project, "one", writes("data/x.csv").replace("mkdir(", "mkdir(parents=True, "), "1"
    )
    monkeypatch.setattr(runner, "_disk", lambda path: path.name)
    assert run(project) == 1
    assert "data is on another disk than what it is in" in capsys.readouterr().err
    assert made(project).keys() == {"one.failed.ipynb"}


# ---- stopping ----


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("moment", ["starts", "lets no thread run"])
def test_a_kernel_ends_with_its_runner_whatever_it_does(project, moment):
    """Where orphans go to another process than the first, IPython's own watch does not see it."""
    endless = "open('busy', 'w')\nimport re\nre.match('(a+)+$', 'a' * 60 + 'b')"
    write_notebook(project, "one", endless, "1")
    code = "from pathlib import Path\nfrom tools import notebooks\n"
    code += f"notebooks.main(['run'], Path({str(project)!r}))"
    running = subprocess.Popen([sys.executable, "-c", code], cwd=fingerprint.ROOT)
    try:
        busy = project / "book" / "executed" / ".staging" / "one" / "busy"
        wait_for(lambda: kernels_in(project) and (moment == "starts" or busy.exists()))
    finally:
        running.kill()
        running.wait()
    wait_for(lambda: not kernels_in(project))


@pytest.mark.parametrize("moment", ["before its kernel", "while its kernel starts"])
def test_a_run_that_is_stopped_while_it_is_begun_ends(project, monkeypatch, capsys, moment):
    write_notebook(project, "one", "import time; time.sleep(20)", "1")
    staging = project / "book" / "executed" / ".staging" / "one"

    class Pool(ThreadPoolExecutor):
        def submit(self, *job, **options):
            submitted = super().submit(*job, **options)
            wait_for(lambda: kernels_in(project) if "while" in moment else staging.exists())
            os.kill(os.getpid(), signal.SIGTERM)
            return submitted

    monkeypatch.setattr(runner, "ThreadPoolExecutor", Pool)
    assert run(project) == 128 + signal.SIGTERM
    assert "5/5" not in capsys.readouterr().err
    assert not staging.exists()  # which a run that had gone on to its end would have left
    assert not kernels_in(project)


def test_a_stop_that_comes_while_others_wait_ends_all(project, capsys):
    for name in ("one", "three", "two"):
        stop = "import os, time\nos.kill(os.getppid(), 15)\ntime.sleep(20)"
        write_notebook(project, name, stop, "1")
    assert notebooks.main(["run", "--workers", "1"], project) == 128 + signal.SIGTERM
    assert "two: running" not in capsys.readouterr().out
    assert not made(project)


def wait_for(something, seconds=30):
    end = time.monotonic() + seconds
    while not something():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_under_nohup_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with runner.stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
            assert not runner.stop_wanted()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_leaves_nothing_but_its_files(project):
    assert run(project) == 0
    assert run(project) == 0
    folder = project / "book" / "executed"
    assert not [*(folder / ".staging").glob("one*"), *(folder / ".locks").glob("*.holder")]
    shutil.rmtree(folder / ".staging")
    assert verify(project) == 0
