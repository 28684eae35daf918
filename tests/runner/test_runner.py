"""The runner: what it makes, when it runs again, what it refuses, and what it survives."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata

import nbformat
import psutil
import pytest

from tests.reproduction.small_runs import write_small
from tests.runner.bad_inputs import bad_inputs
from tests.runner.projects import (
    WRITE_CSV,
    make_project,
    outputs,
    results,
    write_notebook,
)
from tools import environment, fingerprint, manifest, notebooks, runner
from tools.fingerprint import ROOT

SHOW_BAR = "from tqdm import tqdm\nfor i in tqdm(range(3)):\n    pass"

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def run(root, *arguments):
    return notebooks.main(["run", *arguments], root)


def job(root, *given):
    return notebooks.job_of(root / "notebooks" / "one.ipynb", root, given)


def made(root):
    return outputs(root / "book" / "executed")


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


# ---- what a run makes, and when it is made again ----


def test_a_run_makes_notebook_data_and_manifest(finished):
    assert made(finished).keys() == {"one.ipynb", "one.csv", "one.json"}
    assert made(finished)["one.csv"] == b"3,0.5,plain"
    assert not list((finished / "book" / "executed" / ".staging").glob("one*"))


def test_a_manifest_tells_what_somebody_may_ask_in_years(finished):
    known = manifest.read(finished / "book" / "executed" / "one.json")
    assert known["parameters"] == {"n": 3, "share": 0.5, "kind": "plain", "seed": 1}
    assert known["seeds"] == {"seed": 1}
    assert known["outputs"].keys() == {"one.ipynb", "one.csv"}
    assert {"notebooks/one.ipynb", "splitlib/model.py", "requirements.lock"} < known[
        "inputs"
    ].keys()
    assert known["started"].endswith("Z")
    assert known["git"] is None, "this project is not under git"
    assert known["environment"]["python"] == sys.version
    assert known["environment"]["executable"] == sys.executable
    assert known["environment"]["cpu_features"]


def test_the_books_manifest_has_versions_and_the_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    described = environment.describe(ROOT)
    assert described["packages"]["numpy"] == __import__("numpy").__version__
    assert described["packages"].keys() >= {each.name for each in metadata.distributions()}
    assert described["variables"]["OPENBLAS_CORETYPE"] == "Nehalem"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "file").write_text("1")
    identity = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
    subprocess.run(["git", "-C", tmp_path, *identity, "commit", "-qm", "m"], check=True)
    assert environment.git_state(tmp_path)["changed"] is False
    assert len(environment.git_state(tmp_path)["commit"]) == 40
    (tmp_path / "file").write_text("2")
    assert environment.git_state(tmp_path)["changed"] is True
    (tmp_path / "unpacked").mkdir()
    assert environment.git_state(tmp_path / "unpacked") is None, "the commit is of another project"
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    assert environment.git_state(tmp_path)["changed"] is True


def test_a_second_run_does_nothing(project, capsys):
    before = made(project)
    assert run(project) == 0
    assert "one: up to date" in capsys.readouterr().out
    assert made(project) == before, "the manifest has not been written again"


@pytest.mark.parametrize(("changed", "said"), [
    ("splitlib/model.py", "splitlib/model.py has changed since"),
    ("requirements.lock", "requirements.lock has changed since"),
    ("book/executed/one.csv", "one.csv is altered"),
    ("book/executed/one.ipynb", "one.ipynb is altered"),
    ("book/executed/one.json", "one.json is altered"),
])  # fmt: skip
def test_any_changed_file_makes_it_stale(project, capsys, changed, said):
    with (project / changed).open("a") as file:
        file.write("\n")
    assert notebooks.main(["verify"], project) == 1
    assert capsys.readouterr().err == f"one: {said}\n"


@pytest.mark.parametrize("missing", ["one.csv", "one.ipynb", "one.json"])
def test_any_missing_file_makes_it_stale(project, capsys, missing):
    (project / "book" / "executed" / missing).unlink()
    assert notebooks.main(["verify"], project) == 1
    said = "it has not been run" if missing == "one.json" else f"{missing} is missing"
    assert capsys.readouterr().err == f"one: {said}\n"


def test_a_file_added_to_splitlib_makes_it_stale(project):
    (project / "splitlib" / "new.py").write_text("")
    assert job(project).faults() == ["splitlib/new.py has changed since"]


@pytest.mark.parametrize("name", ["data/old.csv", "figures/old.png", "old.ipynb"])
def test_what_no_notebook_has_made_is_named(project, capsys, name):
    stray = project / "book" / "executed" / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("1")
    assert notebooks.main(["verify"], project) == 1
    assert capsys.readouterr().err == f"{name}: no notebook has made it, remove it\n"


def test_all_is_well(finished, capsys):
    assert notebooks.main(["verify"], finished) == 0
    assert "as they should be" in capsys.readouterr().out


REPRODUCTION = {
    "__init__.py": "", "claims.py": "import json", "claims.yml": "", "claims.schema.json": "",
    "measures.py": "def f():\n    from reproduction.claims import load",
    "verdicts.py": "from . import measures", "verdicts.yml": "",
}  # fmt: skip
OF_CLAIMS = {"__init__.py", "claims.py", "claims.yml", "claims.schema.json"}
OF_MEASURES = {*OF_CLAIMS, "measures.py"}


@pytest.mark.parametrize(("cell", "read"), [
    ("1", set()),
    ("'from reproduction import claims'\nfrom claims import reproduction", set()),
    ("import reproduction", {"__init__.py"}),
    ("from reproduction import claims, nothing", OF_CLAIMS),
    ("import reproduction.claims as c", OF_CLAIMS),
    ("def f():\n    from reproduction.claims import load", OF_CLAIMS),
    ("from reproduction import measures", OF_MEASURES),
    ("from reproduction import verdicts", {*REPRODUCTION}),
    ("%time from reproduction import claims", {*REPRODUCTION}),
])  # fmt: skip
def test_what_a_notebook_imports_of_reproduction_makes_it_stale_and_nothing_else(
    project, cell, read
):
    folder = project / "reproduction"
    folder.mkdir()
    for name, text in REPRODUCTION.items():
        (folder / name).write_text(text)
    source = write_notebook(project, "one", cell)
    before = manifest.inputs(source, project)
    for name in REPRODUCTION:
        text = (folder / name).read_text()
        (folder / name).write_text(f"{text}\n")
        assert (manifest.inputs(source, project) != before) == (name in read), name
        (folder / name).write_text(text)


def test_a_verdict_makes_no_notebook_stale():
    for source in fingerprint.notebooks(ROOT):
        read = {name for name in manifest.inputs(source, ROOT) if name.startswith("reproduction/")}
        assert "reproduction/parameters.py" in read
        assert not [name for name in read if "verdicts" in name or "scorecard" in name]
        assert ("reproduction/claims.yml" in read) == (source.stem == "assumptions")


def test_every_flipped_byte_is_found(project):
    """Of the manifest too, wherever it is."""
    for name in ("one.json", "one.csv", "one.ipynb"):
        path = project / "book" / "executed" / name
        good = path.read_bytes()
        for position in range(0, len(good), max(1, len(good) // 60)):
            flipped = bytearray(good)
            flipped[position] ^= 1
            path.write_bytes(flipped)
            assert job(project).faults(), (name, position)
        path.write_bytes(good)
    assert not job(project).faults()


def test_a_changed_notebook_runs_again_and_leaves_nothing_old(project):
    write_notebook(project, "one", "6 * 7")
    assert job(project).faults()
    assert run(project) == 0
    assert not job(project).faults()
    assert made(project).keys() == {"one.ipynb", "one.json"}


def test_two_runs_give_the_same_bytes(finished, tmp_path):
    again = make_project(tmp_path)
    assert run(again) == 0
    assert results(again / "book" / "executed") == results(finished / "book" / "executed")


def test_two_runs_of_the_books_notebooks_give_the_same_bytes(tmp_path, monkeypatch):
    """With a widget, whose ids are random, a sweep and its figures, and a bar, full of times.

    Once side by side, once one after the other, and whatever a user's environment says.
    """
    monkeypatch.delenv("TQDM_DISABLE")
    found = []
    for workers in "13":
        project = make_project(tmp_path / workers)
        write_notebook(project, "one", SHOW_BAR, "6 * 7")
        for name in ("explorer", "fig3_split_availability"):
            path = ROOT / "notebooks" / f"{name}.ipynb"
            write_small(path, project / "notebooks" / path.name)
        assert run(project, "--workers", workers) == 0
        found.append(results(project / "book" / "executed"))
        monkeypatch.setenv("PYTHONHASHSEED", "7")
        monkeypatch.setenv("PYTHONOPTIMIZE", "2")
        monkeypatch.setenv("MPLBACKEND", "agg")
    assert "widget-view" in found[0]["explorer.ipynb"].decode()
    assert found[0] == found[1]


def test_kernels_see_nothing_of_what_their_user_has_set(project, tmp_path, monkeypatch):
    """Neither a kernel of the same name, nor startup files, nor a library before ours."""
    decoy = tmp_path / "kernels" / "python3"
    decoy.mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "decoy", "language": "python"}
    (decoy / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("from_startup = True")
    (tmp_path / "start.py").write_text("from_startup = True")
    (tmp_path / "splitlib.py").write_text("decoy = True")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    look = (
        "import importlib.util, sys\n"
        f"assert sys.executable == {sys.executable!r}\n"
        "assert 'from_startup' not in globals()\n"
        f"assert importlib.util.find_spec('splitlib').origin.startswith({str(ROOT)!r})\n"
        "alive = False\ntry:\n    assert False\nexcept AssertionError:\n    alive = True\n"
        "if not alive: raise RuntimeError('assertions are off')"
    )
    write_notebook(project, "one", look, "1")
    assert run(project) == 0


# ---- parameters ----


def test_other_parameters_go_to_a_folder_of_their_own(project, capsys):
    before = made(project)
    assert run(project, "one", "-p", "n=50", "-p", "kind=fancy") == 0
    (folder,) = (project / "runs").iterdir()
    assert str(folder) in capsys.readouterr().out
    assert outputs(folder)["one.csv"] == b"50,0.5,fancy"
    known = manifest.read(folder / "one.json")
    assert known["parameters"] == {"n": 50, "share": 0.5, "kind": "fancy", "seed": 1}
    assert made(project) == before
    assert run(project, "one", "-p", "kind='fancy'", "-p", "n=50", "-p", "share=0.5") == 0
    assert "one: up to date" in capsys.readouterr().out


def test_the_notebooks_own_values_are_the_books(project, capsys):
    assert run(project, "one", "-p", "share=0.5", "-p", "n=3") == 0
    assert "one: up to date" in capsys.readouterr().out
    assert not (project / "runs").exists()


@pytest.mark.parametrize(("given", "value"), [
    ("distance=20", 20.0), ("V=[1, 3]", [1.0, 3.0]), ("V=2", 2.0), ("V=1e-4,3", [1e-4, 3.0]),
    ("n_slots=50_000", 50_000),
])  # fmt: skip
def test_values_have_the_type_of_their_parameter(given, value):
    (found,) = notebooks.job_of(
        ROOT / "notebooks/fig2_energy_delay.ipynb", ROOT, [given]
    ).changed.values()
    assert found == value
    assert type(found) is type(value)
    assert not isinstance(found, list) or {type(item) for item in found} == {float}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A project with some of the book's notebooks, which is asked for what cannot be."""
    root = make_project(tmp_path_factory.mktemp("asked"))
    for name in ("fig1_layer_costs", "fig2_energy_delay", "explorer"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", root / "notebooks")
    return root


@pytest.mark.parametrize(
    ("arguments", "breaking"),
    [entry[1:] for entry in bad_inputs()],
    ids=[entry[0] for entry in bad_inputs()],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    asked, tmp_path, capsys, monkeypatch, arguments, breaking
):
    root = asked
    if breaking:
        root = shutil.copytree(asked, tmp_path / "broken")
        breaking(root)
    monkeypatch.setattr(runner, "run_all", None)
    before = outputs(root)
    assert notebooks.main(arguments, root) == 2
    said = capsys.readouterr()
    assert said.err.startswith("refused: ")
    assert said.err.count("\n") <= 3
    assert not said.out
    assert outputs(root) == before


def test_a_refusal_names_the_nearest_right_name(asked, capsys):
    assert run(asked, "fig2") == 2
    assert capsys.readouterr().err == (
        "refused: there is no notebook 'fig2' (did you mean 'fig2_energy_delay'?)\n"
    )
    assert run(asked, "fig2_energy_delay", "-p", "path_loss=4") == 2
    assert capsys.readouterr().err == (
        "refused: fig2_energy_delay: there is no parameter 'path_loss'"
        " (did you mean 'path_loss_exponent'?)\n"
    )


def test_a_drifted_environment_is_named_with_the_line_that_mends_it(project, capsys):
    (project / "requirements.lock").write_text(
        "numpy==1.0.0 \\\n    --hash=sha256:00\n    # via splitlib\n"
        "no-such-package==1.0\nwin-only==3.0 ; sys_platform == 'win32'\n"
    )
    assert run(project) == 2
    said = capsys.readouterr().err
    numpy = __import__("numpy").__version__
    assert said == (
        f"refused: numpy is {numpy}, and 1.0.0 in the lock, no-such-package is missing\n"
        f"To mend it: {sys.executable} -m pip install --require-hashes -r requirements.lock\n"
    )


def test_this_environment_is_the_locks():
    assert environment.drift(ROOT) == []


def test_a_missing_package_is_named_before_it_is_imported(project):
    """As somebody sees it who runs the notebooks with a bare interpreter."""
    (project / "requirements.lock").write_text("papermill==2.7.0\nfilelock==4.0\n")
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('papermill', 'filelock', 'nbformat', 'numpy'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from importlib import metadata\n"
        "def version(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = version\n"
        "from pathlib import Path\n"
        "from tools import notebooks\n"
        f"raise SystemExit(notebooks.main(['run'], Path({str(project)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "papermill is missing, filelock is missing" in done.stderr
    assert done.stderr.count("\n") == 2


# ---- failures ----


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("answer = 1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", "ended early"),
        ("import os; os._exit(0)", "Kernel died"),
        ("import time; time.sleep(60)", "timed out"),
        (f"raise OSError({errno.ENOSPC}, 'No space left on device', 'one.csv')", "No space left"),
    ],
)
def test_a_failed_run_keeps_the_last_good_output(project, capsys, cell, said):
    before = made(project)
    write_notebook(project, "one", WRITE_CSV.replace("one.csv", "two.csv"), cell, "6 * 7")
    assert run(project, "--cell-seconds", "5") == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    assert cell in complaint
    assert f"jupyter lab {project}/book/executed/one.failed.ipynb" in complaint
    after = made(project)
    assert cell in after.pop("one.failed.ipynb").decode().replace("\\n", "\n")
    assert after == before
    assert "notebooks/one.ipynb has changed since" in job(project).faults()


def test_a_good_run_removes_the_failed_one(project):
    (project / "book" / "executed" / "one.failed.ipynb").write_text("{}")
    write_notebook(project, "one", "6 * 7")
    assert run(project) == 0
    assert "one.failed.ipynb" not in made(project)


def test_a_failed_notebook_goes_when_its_attempt_is_taken_back(project):
    good = (project / "notebooks" / "one.ipynb").read_bytes()
    write_notebook(project, "one", "1 / 0")
    assert run(project) == 1
    assert "one.failed.ipynb" in made(project)
    (project / "notebooks" / "one.ipynb").write_bytes(good)
    assert run(project) == 0
    assert made(project).keys() == {"one.ipynb", "one.csv", "one.json"}


def test_sources_that_change_during_a_run_make_it_fail(project, capsys):
    """Else the manifest would vouch for code that has not run."""
    model = project / "splitlib" / "model.py"
    before = made(project)
    write_notebook(project, "one", f"open({str(model)!r}, 'a').write('# later')", "1")
    assert run(project) == 1
    assert "its sources have changed while it ran" in capsys.readouterr().err
    after = made(project)
    assert after.pop("one.failed.ipynb")
    assert after == before


def test_a_full_disk_is_named_and_nothing_is_touched(project, capsys, monkeypatch):
    def full(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = made(project)
    write_notebook(project, "one", "6 * 7")
    monkeypatch.setattr(manifest, "sync", full)
    assert run(project) == 1
    assert "no space is left on the disk of" in capsys.readouterr().err
    assert made(project) == before


@pytest.mark.parametrize("moved", range(4))
def test_a_run_killed_while_files_are_moved_is_finished_by_the_next(
    project, capsys, moved, monkeypatch
):
    """However many of its files were in place by then."""
    write_notebook(project, "one", WRITE_CSV.replace("one.csv", "two.csv"), "6 * 7")
    reference = shutil.copytree(project, project.with_name("reference"))
    assert run(reference) == 0
    replace, calls = os.replace, []

    def stopping(source, target):
        if ".staging" in str(source) and ".staging" not in str(target):
            calls.append(target)
            if len(calls) > moved:
                raise KeyboardInterrupt  # nothing else is done, as after kill -9
        replace(source, target)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(os, "replace", stopping)
        run(project)
    if moved < 3:
        assert notebooks.main(["verify"], project) == 1
    capsys.readouterr()
    assert run(project) == 0
    assert "one: up to date" in capsys.readouterr().out, "it is not run again"
    assert results(project / "book" / "executed") == results(reference / "book" / "executed")
    assert "one.csv" not in made(project)


# ---- two at once, and stopping ----


def start(root, *arguments):
    """Start the runner in a process of its own."""
    code = (
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)  # even under nohup\n"
        "from pathlib import Path\nfrom tools import notebooks\n"
        f"raise SystemExit(notebooks.main(['run', *{arguments!r}], Path({str(root)!r})))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(condition, seconds=60):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


def test_the_second_runner_says_who_is_at_work_and_waits(project, capsys):
    write_notebook(project, "one", "import time; time.sleep(3)", "6 * 7")
    holder = project / "book" / "executed" / ".locks" / "one.holder"
    with start(project) as first:
        wait_for(holder.exists)
        assert run(project) == 0
        assert first.wait(60) == 0
        first.communicate()
    said = capsys.readouterr().out
    assert f"one: waiting for process {first.pid}, which began at " in said
    assert "one: up to date" in said
    assert not holder.exists()


def test_the_lock_of_a_killed_runner_is_nobodys(project, capsys):
    write_notebook(project, "one", "import time; time.sleep(100)", "6 * 7")
    holder = project / "book" / "executed" / ".locks" / "one.holder"
    with start(project) as first:
        wait_for(holder.exists)
        first.kill()
        first.communicate()
    assert holder.exists()
    write_notebook(project, "one", "6 * 7")
    assert run(project) == 0
    assert "waiting" not in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_kernel_outlives_its_runner(project, number):
    before = made(project)
    write_notebook(project, "one", "open('here', 'w'); import time; time.sleep(100)", "6 * 7")
    write_notebook(project, "two", "open('here', 'w'); import time; time.sleep(100)", "6 * 7")
    staging = project / "book" / "executed" / ".staging"
    with start(project, "--workers", "2") as running:
        wait_for(
            lambda: (staging / "one" / "here").exists() and (staging / "two" / "here").exists()
        )
        kernels = psutil.Process(running.pid).children(recursive=True)
        assert len(kernels) >= 2
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    _, alive = psutil.wait_procs(kernels, timeout=10)
    assert not alive
    after = made(project)
    assert after == before
    if number == signal.SIGKILL:
        assert running.returncode == -number
    else:
        assert running.returncode == 128 + number
        assert f"Stopped by {number.name}" in said
        assert "Traceback" not in said


def test_a_stopped_run_goes_on_where_it_was(project, capsys):
    write_notebook(project, "two", "import time; time.sleep(100)", "6 * 7")
    write_notebook(project, "one", "5 * 7")
    with start(project, "--workers", "1") as running:
        wait_for(lambda: (project / "book" / "executed" / ".staging" / "two").exists())
        running.terminate()
        running.communicate(timeout=60)
    write_notebook(project, "two", "6 * 7")
    assert run(project) == 0
    said = capsys.readouterr().out
    assert "one: up to date" in said
    assert "two: running" in said


# ---- sources ----


def test_accept_copies_the_checked_table_only_and_strip_keeps_it(project):
    source = project / "notebooks" / "one.ipynb"
    assert notebooks.main(["check"], project) == 0
    assert notebooks.main(["accept"], project) == 0
    *others, table = nbformat.read(source, as_version=4).cells
    assert not any(cell.outputs for cell in others)
    assert table.outputs[0].data["text/plain"] == "6"
    assert not job(project).faults()
    accepted = source.read_bytes()
    assert notebooks.main(["strip"], project) == 0
    assert source.read_bytes() == accepted


def test_what_is_stale_is_not_accepted(project, capsys):
    write_notebook(project, "one", "6 * 7")
    before = (project / "notebooks" / "one.ipynb").read_bytes()
    assert notebooks.main(["accept"], project) == 2
    assert "Run `make figures` first" in capsys.readouterr().err
    assert (project / "notebooks" / "one.ipynb").read_bytes() == before


def test_strip_removes_what_a_run_leaves_and_check_finds_it(project, capsys):
    source = project / "notebooks" / "one.ipynb"
    clean = source.read_bytes()
    shutil.copy(project / "book" / "executed" / "one.ipynb", source)
    assert notebooks.main(["check"], project) == 1
    assert "one: it holds outputs" in capsys.readouterr().err
    assert notebooks.main(["strip"], project) == 0
    assert notebooks.main(["check"], project) == 0
    stripped = nbformat.read(source, as_version=4)
    assert [cell.source for cell in stripped.cells] == [
        cell.source for cell in nbformat.reads(clean.decode(), as_version=4).cells
    ]
    assert [len(cell.outputs) for cell in stripped.cells][-2:] == [0, 1]


def test_check_holds_sources_to_their_form(project, capsys):
    write_notebook(project, "one", "1", parameters="n = 3")
    assert notebooks.main(["check"], project) == 1
    assert capsys.readouterr().err == "one: not `name: type = literal`: n = 3\n"
