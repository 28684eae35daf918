"""The runner: what it makes, when it runs again, what it refuses, and what it survives.

No test has a clock of its own: each waits for a file, a line of output or the end of a process.
"""

import gc
import json
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from itertools import pairwise

import nbformat
import psutil
import pytest

from tests.runner.bad_inputs import bad_inputs
from tests.runner.projects import WRITE_CSV, make_project, outputs, results, write_notebook
from tools import cells, environment, manifest, notebooks, run
from tools.fingerprint import ROOT

#: The project's folder, from the staging folder that a kernel works in.
HERE = "from pathlib import Path\nroot = Path.cwd().parents[2]\n"

#: Works until it is killed, and lets no other thread of its process do anything.
ENDLESS = "open('busy', 'w')\nimport re\nre.match('(a+)+$', 'a' * 60 + 'b')"

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def make(root, *arguments):
    """Run the notebook `one` in this process; return the exit code."""
    return run.main(["one", "--brief", *arguments], root)


def verify(root):
    return notebooks.main(["verify"], root)


def folder(root):
    return root / "book" / "executed" / "one"


def busy(root, name="one"):
    """Return the file that tells that a cell has begun."""
    return root / "book" / "executed" / f".{name}.staging" / "busy"


def start(root, module, *arguments):
    """Start a command in a process of its own."""
    code = f"from pathlib import Path\nfrom tools import {module}\n"
    code += f"raise SystemExit({module}.main({arguments!r}, Path({str(root)!r})))"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else it may be ignored there too
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def append(name):
    def change(root):
        with (root / name).open("a") as file:
            file.write("\n")

    return change


def create(name, text=""):
    def change(root):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)

    return change


def wait_for(condition, running=None):
    """Wait until something holds, or a process that should bring it about has ended."""
    while not condition():
        assert running is None or running.poll() is None, running.communicate()
        time.sleep(0.01)


def ended(process):
    """Tell whether a process has ended, though nobody may have asked for its exit code."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module", autouse=True)
def _no_leftovers():
    """Let go of what papermill leaves open while the warnings of it are ignored."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose notebook has run, once for all tests."""
    root = make_project(tmp_path_factory.mktemp("finished"))
    assert make(root) == 0
    return root


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project."""
    return shutil.copytree(finished, tmp_path / "project")


# ---- what a run makes ----


def test_a_run_makes_one_folder_with_notebook_data_and_manifest(finished):
    assert outputs(folder(finished)).keys() == {"index.ipynb", "one.csv", "manifest.json"}
    assert outputs(folder(finished))["one.csv"] == b"3,0.5,plain"
    assert sorted(os.listdir(folder(finished).parent)) == [".one.lock", "one"]


def test_a_manifest_tells_what_readers_may_ask_years_later(finished):
    known = manifest.read(folder(finished))
    assert known["parameters"] == {"n": 3, "share": 0.5, "kind": "plain", "seed": 1}
    assert known["outputs"].keys() == {"index.ipynb", "one.csv"}
    sources = {"notebooks/one.ipynb", "splitlib/model.py", "requirements.lock", "Python"}
    assert known["inputs"].keys() == sources
    assert known["started"].endswith("Z")
    assert known["git"] is None, "this project is not under git"
    assert known["environment"]["python"] == sys.version
    packages = known["environment"]["packages"]
    assert packages.keys() >= {each.name for each in metadata.distributions()}
    assert known["environment"]["cpu_features"]


def test_the_commit_is_that_of_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    git = ["git", f"--git-dir={tmp_path}/.git", f"--work-tree={tmp_path}"]
    git += ["-c", "user.name=n", "-c", "user.email=e"]
    create("file", "1")(tmp_path)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "m"]):
        subprocess.run([*git, *command], check=True)
    commit = environment.git_state(tmp_path)
    assert len(commit) == 40
    create("file", "2")(tmp_path)
    assert environment.git_state(tmp_path) == f"{commit}-dirty"
    create("unpacked/file")(tmp_path)
    assert environment.git_state(tmp_path / "unpacked") is None, "the commit is of another project"


LOOK = """
import importlib.util, os, sys, warnings
from IPython.core import application, shellapp
assert "from_startup" not in globals()
assert not shellapp.SYSTEM_CONFIG_DIRS and not application.ENV_CONFIG_DIRS
assert importlib.util.find_spec("splitlib").origin.startswith(ROOT)
assert os.environ["NUMBA_CACHE_DIR"].startswith(str(root / "splitlib"))
assert os.environ["NUMBA_CACHE_LOCATOR_CLASSES"] == ""
assert get_ipython().kernel.iopub_thread.socket.sndhwm == 0, "output may be dropped"
checked = False
try:
    assert False
except AssertionError:
    checked = True
print(checked, sys.flags, sys.executable, open("x.csv", "w").encoding, hash("x"))
warnings.warn("x", ResourceWarning)
""".replace("ROOT", repr(str(ROOT)))
STORE = "y = 0\n%store -r y\ny += 1\n%store y\nprint(y)"
BAR = "from tqdm import tqdm\nfor i in tqdm(range(3)):\n    pass"
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
WIDGET = """
from ipywidgets import FloatSlider, VBox, jslink
sliders = [FloatSlider(), FloatSlider()]
link = jslink(*((slider, "value") for slider in sliders))
VBox(sliders)
"""


def test_two_runs_give_the_same_bytes_whatever_their_user_has_set(tmp_path, monkeypatch):
    """With figures, a widget, whose ids are random, and a bar, which tells times."""
    root = make_project(tmp_path / "project")
    write_notebook(root, "one", HERE + LOOK, STORE, BAR, FIGURE, WIDGET)
    monkeypatch.delenv("TQDM_DISABLE")

    assert make(root) == 0
    before = results(folder(root))
    assert b"widget-view" in before["index.ipynb"]
    assert b"image/png" in before["index.ipynb"]
    theirs = tmp_path / "theirs"
    spec = {"argv": ["false", "{connection_file}"], "display_name": "", "language": "python"}
    files = {
        "kernels/python3/kernel.json": json.dumps(spec), "splitlib.py": "theirs = True",
        "ipython/profile_default/startup/00.py": "from_startup = True",
        "start.py": "from_startup = True", "matplotlibrc": "figure.dpi: 30\n",
    }  # fmt: skip
    for name, text in files.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_text(text)
    variables = {
        "IPYTHONDIR": theirs / "ipython", "JUPYTER_PATH": theirs, "LC_ALL": "C",
        "MPLBACKEND": "agg", "MATPLOTLIBRC": theirs / "matplotlibrc", "NUMBA_CACHE_DIR": theirs,
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator", "PYTHONDEVMODE": 1,
        "PYTHONHASHSEED": 7, "PYTHONOPTIMIZE": 2, "PYTHONPATH": theirs, "PYTHONUTF8": 0,
        "PYTHONSTARTUP": theirs / "start.py", "PYTHONWARNINGS": "always",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    (root / "requirements.lock").write_text("# anew\n")
    assert make(root) == 0
    assert results(folder(root)) == before
    assert manifest.read(folder(root))["environment"]["variables"]["PYTHONHASHSEED"] == "7"


def test_compiled_code_of_other_sources_is_not_used(project):
    """Neither Python's, of a source of the same time and length, nor Numba's.

    Numba does not look at the options, which are another module's.
    """
    options = project / "splitlib" / "options.py"
    (project / "splitlib" / "model.py").write_text("def f(x): return 1 / x")
    text = "import model, numba\nf = numba.njit(cache=True, error_model={:8})(model.f)"
    divide = "import sys\nsys.path.insert(0, str(root / 'splitlib'))\nfrom options import f\n"
    divide += "try: y = f(0.0)\nexcept ZeroDivisionError: y = 'error'\n"
    divide += "Path('one.csv').write_text(str(y))"
    write_notebook(project, "one", HERE + divide, "1")
    for model, result in (("'python'", b"error"), ("'numpy'", b"inf")):
        options.write_text(text.format(model))
        os.utime(options, ns=(10**18, 10**18))
        assert make(project) == 0
        assert outputs(folder(project))["one.csv"] == result
        py_compile.compile(options)  # as whoever imports it does
    assert len(list((options.parent / "__pycache__").glob("numba-*"))) == 1


# ---- when it runs again ----


def test_what_is_up_to_date_is_left_alone_and_imports_nothing_heavy(project, monkeypatch):
    before = outputs(project)
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with start(project, "run", "one") as running:
        said, imported = running.communicate()
    assert running.returncode == 0, imported
    assert said == "one: up to date\n"
    assert outputs(project) == before, "the manifest has not been written again"
    modules = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "filelock" in modules
    assert not modules & {"jupyter_client", "nbformat", "numpy", "papermill", "splitlib"}


def test_only_what_has_changed_runs_by_commands_after_the_given_words(
    project, tmp_path, monkeypatch
):
    """What fails is summed up, and goes on after it has been mended."""
    prefix = tmp_path / "on a cluster" / "prefix"
    prefix.parent.mkdir()
    prefix.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/log\nshift\nexec "$@"\n')
    prefix.chmod(0o755)
    monkeypatch.setenv("RUN", f"'{prefix}' -n1")
    for name in ("two", "three", "four"):
        write_notebook(project, name, "1 / 0" if name == "three" else "1")
    (project / "notebooks" / "four.ipynb").write_text("<<<<<<< ours")
    with start(project, "notebooks", "run") as running:
        said, complaint = running.communicate()
    assert running.returncode == 1
    assert all(line in said for line in ("one: up to date", "two: running", "three: running"))
    assert "refused: four: four.ipynb is no notebook" in complaint
    assert complaint.endswith("2 of 4 notebooks failed: four, three\n")
    for name in ("three", "four"):
        write_notebook(project, name, "1")
    monkeypatch.setenv("RUN", "")
    with start(project, "notebooks", "run") as running:
        said, complaint = running.communicate()
    assert running.returncode == 0, complaint
    assert all(line in said for line in ("two: up to date", "three: running", "four: running"))
    assert verify(project) == 0
    commands = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert {command[0] for command in commands} == {"-n1"}
    assert sorted(command[-1] for command in commands) == ["four", "one", "three", "two"]


EXECUTED = "book/executed/one"


@pytest.mark.parametrize(("change", "said"), [
    (append("splitlib/model.py"), "one: splitlib/model.py has changed since"),
    (append("requirements.lock"), "one: requirements.lock has changed since"),
    (create("splitlib/new.py"), "one: splitlib/new.py is new"),
    (append(f"{EXECUTED}/one.csv"), "one: one.csv is altered"),
    (append(f"{EXECUTED}/index.ipynb"), "one: index.ipynb is altered"),
    (lambda root: (folder(root) / "one.csv").unlink(), "one: one.csv is missing"),
    (create(f"{EXECUTED}/data/manifest.json"), "one: data/manifest.json is new"),
    (create(f"{EXECUTED}/manifest.json", "{"), "one: its manifest.json is damaged"),
    (create(f"{EXECUTED}/manifest.json", "[]"), "one: its manifest.json is damaged"),
    (create(f"{EXECUTED}/manifest.json", "[" * 200_000), "one: its manifest.json is damaged"),
    (lambda root: shutil.rmtree(folder(root)), "one: it has not been run"),
    (lambda root: shutil.copytree(folder(root), folder(root).with_name("old")),
     "old: its notebook is gone, remove its folder"),
    (create("notebooks/one.ipynb", "[" * 200_000), "one: one.ipynb is no notebook"),
])  # fmt: skip
def test_what_is_stale_altered_missing_or_new_is_named(project, capsys, change, said):
    assert verify(project) == 0
    assert capsys.readouterr().out.startswith("1 notebooks and all that they have made are as")
    change(project)
    assert verify(project) == 1
    assert capsys.readouterr().err.startswith(said)


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
def test_a_change_of_what_is_imported_from_reproduction_counts_and_no_other(tmp_path, cell, read):
    for name, text in REPRODUCTION.items():
        create(f"reproduction/{name}", text)(tmp_path)
    (tmp_path / "notebooks").mkdir()
    source = write_notebook(tmp_path, "one", cell)
    before = manifest.inputs(source, tmp_path)
    for name, text in REPRODUCTION.items():
        append(f"reproduction/{name}")(tmp_path)
        assert (manifest.inputs(source, tmp_path) != before) == (name in read), name
        create(f"reproduction/{name}", text)(tmp_path)


def test_a_verdict_makes_no_notebook_stale():
    for source in manifest.notebooks(ROOT):
        read = {name for name in manifest.inputs(source, ROOT) if name.startswith("reproduction/")}
        assert "reproduction/parameters.py" in read
        assert not [name for name in read if "verdicts" in name or "scorecard" in name]
        assert ("reproduction/claims.yml" in read) == (source.stem == "assumptions")


def test_all_that_a_notebook_says_counts_and_what_editors_say_does_not(project):
    source = project / "notebooks" / "one.ipynb"
    content, seen = nbformat.read(source, as_version=4), [manifest.inputs(source, project)]
    for change in (
        lambda: content.metadata.language_info.update(version="3.99"),
        lambda: content.metadata.update(mystnb={"remove_code_source": True}),
        lambda: content.cells[0].metadata.update(tags=["hide-input"]),
        lambda: content.cells[0].update(id="other"),
        lambda: content.cells.append(nbformat.v4.new_markdown_cell("More.")),
    ):
        change()
        nbformat.write(content, source)
        seen.append(manifest.inputs(source, project))
    assert [after != before for before, after in pairwise(seen)] == [False, True, True, True, True]


# ---- parameters ----


def test_other_parameters_go_to_a_folder_of_their_own(project, capsys):
    before = outputs(project / "book")
    assert make(project, "-p", "n=50", "-p", "kind=fancy") == 0
    (there,) = (project / "runs").glob("[!.]*")
    assert f"Its files are in {there}" in capsys.readouterr().out
    assert outputs(there)["one.csv"] == b"50,0.5,fancy"
    parameters = {"n": 50, "share": 0.5, "kind": "fancy", "seed": 1}
    assert manifest.read(there)["parameters"] == parameters
    assert make(project, "-p", "kind='fancy'", "-p", "n=50", "-p", "share=0.5") == 0
    assert make(project, "-p", "n=3", "-p", "share=0.5") == 0, "the notebook's own values"
    assert capsys.readouterr().out == "one: up to date\n" * 2
    assert outputs(project / "book") == before


@pytest.mark.parametrize(("given", "value"), [
    (["distance=20", "distance=20.0", "distance=2e1"], 20.0), (["V=2", "V=2.0"], 2.0),
    (["V=[1, 3]", "V=1,3.0", "V=(1.0,3)"], [1.0, 3.0]), (["n_slots=50_000"], 50_000),
])  # fmt: skip
def test_equal_values_have_the_same_type_and_folder(given, value):
    runs = [run.run_of("fig2_energy_delay", ROOT, [text]) for text in given]
    assert len({each.folder for each in runs}) == 1
    assert runs[0].folder.name.startswith("fig2_energy_delay-")
    for each in runs:
        (found,) = each.changed.values()
        assert repr(found) == repr(value)


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
    monkeypatch.setattr(run, "_make", None)
    before = outputs(root)
    module, *others = arguments
    assert {"tools.run": run, "tools.notebooks": notebooks}[module].main(others, root) == 2
    said = capsys.readouterr()
    assert said.err.startswith("refused: ")
    assert said.err.count("\n") <= 3
    assert not said.out
    assert outputs(root) == before


@pytest.mark.parametrize(("arguments", "said"), [
    (["fig2"], "there is no notebook 'fig2' (did you mean 'fig2_energy_delay'?)"),
    (["explorer", "-p", "path_loss=4"], "explorer: there is no parameter 'path_loss'"
     " (did you mean 'path_loss_exponent'?)"),
])  # fmt: skip
def test_a_refusal_names_the_nearest_right_name(asked, capsys, arguments, said):
    assert run.main(arguments, asked) == 2
    assert capsys.readouterr().err == f"refused: {said}\n"


def test_braces_in_a_path_and_a_tuple_of_values_are_allowed(tmp_path):
    root = make_project(tmp_path / "a {n} and {")
    write_notebook(root, "two {share}", "1", parameters="V: list[float] = (1.0, 3.0)")
    assert run.main(["two {share}", "--brief"], root) == 0
    assert not run.run_of("two {share}", root).faults()


# ---- the environment ----


def test_an_environment_that_is_not_the_locks_is_refused_with_the_line_that_mends_it(
    project, capsys
):
    assert environment.drift(ROOT) == []
    (project / "requirements.lock").write_text(
        "numpy==1.0.0 \\\n    --hash=sha256:00\n    # via splitlib\n"
        "no-such-package==1.0\nwin-only==3.0 ; sys_platform == 'win32'\n"
    )
    for main in (lambda: make(project), lambda: verify(project)):
        assert main() == 2
        assert capsys.readouterr().err == (
            f"refused: numpy is {metadata.version('numpy')}, and 1.0.0 in the lock,"
            " no-such-package is missing\n"
            f"To mend it: {sys.executable} -m pip install --require-hashes -r requirements.lock\n"
        )


@pytest.mark.parametrize("call", ["notebooks.main(['run']", "run.main(['one']"])
def test_a_missing_package_is_named_before_it_is_imported(project, call):
    """As somebody sees it who runs the notebooks with a bare interpreter."""
    create("requirements.lock", "papermill==2.7.0\nfilelock==4.0\n")(project)
    code = (
        "import sys\n"
        "for name in ('papermill', 'filelock', 'nbformat', 'numpy'): sys.modules[name] = None\n"
        "from importlib import metadata\n"
        "def version(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = version\n"
        "from pathlib import Path\nfrom tools import notebooks, run\n"
        f"raise SystemExit({call}, Path({str(project)!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("refused: papermill is missing, filelock is missing\nTo mend it")


# ---- failures ----

EDIT = HERE + "(root / 'splitlib/model.py').write_text('# later')"


@pytest.mark.parametrize(("cell", "said"), [
    ("answer = 1 / 0", "\nanswer = 1 / 0\n\nZeroDivisionError: division by zero\n"),
    ("import sys; sys.exit(0)", "ended early"),
    ("import os; os._exit(0)", "\nimport os; os._exit(0)\n\nDeadKernelError: Kernel died\n"),
    (EDIT, "RuntimeError: splitlib/model.py changed while it ran; run it again"),
    (EDIT.replace("model", "new"), "splitlib/new.py changed while it ran"),
], ids=["error", "exit", "death", "edit", "new source"])  # fmt: skip
def test_a_failed_run_keeps_the_last_good_output(project, capsys, cell, said):
    source_name, good = "notebooks/one.ipynb", outputs(project)
    write_notebook(project, "one", WRITE_CSV.replace("one.csv", "two.csv"), cell, "6 * 7")
    assert make(project) == 1
    complaint = capsys.readouterr().err
    assert said in complaint
    failed = folder(project).with_name("one.failed.ipynb")
    assert f"jupyter lab {failed}" in complaint
    assert cell in "".join(each.source for each in nbformat.read(failed, as_version=4).cells)
    after = outputs(project)
    assert {name for name in good if after[name] != good[name]} <= {
        source_name,
        "splitlib/model.py",
    }
    assert sorted(os.listdir(failed.parent)) == [".one.lock", "one", "one.failed.ipynb"]
    assert "notebooks/one.ipynb has changed since" in run.run_of("one", project).faults()
    # The failed notebook goes when the attempt is taken back.
    (project / "splitlib" / "new.py").unlink(missing_ok=True)
    for name in (source_name, "splitlib/model.py"):
        (project / name).write_bytes(good[name])
    assert make(project) == 0
    assert capsys.readouterr().out.endswith("one: up to date\n")
    assert outputs(project) == good


def test_an_error_that_a_widget_shows_is_an_error(project, monkeypatch, capsys):
    """It has no other trace: the cell goes on after it, and papermill calls it completed.

    The widget is put into the executed notebook, as one that shows output may keep nbclient
    waiting forever for what has already arrived.
    """
    before, execute = outputs(folder(project)), run._execute
    error = {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "", "traceback": []}
    models = {"an id of its own": {"model_name": "OutputModel", "state": {"outputs": [error]}}}

    def with_widget(one, output, brief):
        execute(one, output, brief)
        content = json.loads(output.read_text())
        content["metadata"]["widgets"] = {cells.WIDGET_STATE: {"state": models}}
        output.write_text(json.dumps(content))

    monkeypatch.setattr(run, "_execute", with_widget)
    write_notebook(project, "one", "1")
    assert make(project) == 1
    assert "a widget shows an error" in capsys.readouterr().err
    assert outputs(folder(project)) == before


def test_a_notebook_that_has_changed_leaves_nothing_old(project):
    folder(project).with_name("one.failed.ipynb").write_text("{}")
    write_notebook(project, "one", "6 * 7")
    assert make(project) == 0
    assert outputs(project / "book/executed").keys() == {"one/index.ipynb", "one/manifest.json"}
    assert verify(project) == 0


# ---- kills, and two at once ----


@pytest.mark.parametrize("renames", [1, 2])
def test_a_run_killed_at_a_rename_goes_on(project, capsys, monkeypatch, renames):
    """After the first there is no folder at its place, after the second there are both."""
    source, good = project / "notebooks" / "one.ipynb", outputs(folder(project))
    old_source, old = source.read_bytes(), folder(project).with_name(".one.old")
    write_notebook(project, "one", "6 * 7")
    replace = os.replace

    def killed(start, end):
        replace(start, end)
        if end == (old if renames == 1 else folder(project)):
            raise KeyboardInterrupt  # nothing else is done, as after kill -9

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run.perform(run.run_of("one", project))
    assert old.exists()
    assert folder(project).exists() == (renames == 2)
    if renames == 1:
        source.write_bytes(old_source)
    capsys.readouterr()
    assert make(project) == 0
    assert capsys.readouterr().out == "one: up to date\n", "it is not run again"
    assert (outputs(folder(project)) == good) == (renames == 1)
    assert sorted(os.listdir(folder(project).parent)) == [".one.lock", "one"]


def test_the_second_runner_says_that_it_waits(project):
    go = project / "go"
    wait = "import time\nfrom pathlib import Path\nopen('busy', 'w')\n"
    wait += f"while not Path({str(go)!r}).exists(): time.sleep(0.01)"
    write_notebook(project, "one", wait, "1")
    with start(project, "run", "one", "--brief") as first:
        wait_for(busy(project).exists, first)
        with start(project, "run", "one", "--brief") as second:
            said = second.stdout.readline()
            assert said == "one: waiting for another process that works at it\n"
            go.write_text("")
            assert second.communicate()[0] == "one: up to date\n"
        said, _ = first.communicate()
    assert said.startswith("one: running\n")
    assert first.returncode == second.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize(("command", "number", "code", "moment"), [
    ("run", signal.SIGKILL, -signal.SIGKILL, "kernel"),
    ("run", signal.SIGKILL, -signal.SIGKILL, "cell"),
    ("run", signal.SIGTERM, -signal.SIGTERM, "cell"), ("run", signal.SIGINT, 130, "cell"),
    ("notebooks", signal.SIGTERM, 130, "cell"), ("notebooks", signal.SIGINT, 130, "cell"),
])  # fmt: skip
def test_no_kernel_outlives_its_runner_and_the_same_command_goes_on(
    project, capsys, command, number, code, moment
):
    """Neither one that has just been started nor one that lets no other thread run."""
    before = outputs(folder(project))
    write_notebook(project, "one", ENDLESS, "1")
    arguments = ["run", "one"] if command == "notebooks" else ["one", "--brief"]
    with start(project, command, *arguments) as running:
        children = psutil.Process(running.pid).children
        wait_for(children if moment == "kernel" else busy(project).exists, running)
        others = children(recursive=True)
        running.send_signal(number)
        _, said = running.communicate()
    assert running.returncode == code
    assert "Traceback" not in said
    wait_for(lambda: all(map(ended, others)))
    assert outputs(folder(project)) == before
    if number == signal.SIGKILL:
        write_notebook(project, "one", "6 * 7")
        assert make(project) == 0
        assert capsys.readouterr().out.startswith("one: running\n"), "the lock is nobody's"
        assert verify(project) == 0


# ---- sources ----


def test_accept_copies_the_checked_table_only_and_strip_keeps_it(project):
    source = project / "notebooks" / "one.ipynb"
    assert notebooks.main(["check"], project) == 0
    assert notebooks.main(["accept"], project) == 0
    *others, table = nbformat.read(source, as_version=4).cells
    assert not any(cell.outputs for cell in others)
    assert table.outputs[0].data["text/plain"] == "6"
    assert verify(project) == 0
    accepted = source.read_bytes()
    assert notebooks.main(["strip"], project) == 0
    assert source.read_bytes() == accepted


def test_what_is_stale_is_not_accepted(project, capsys):
    write_notebook(project, "one", "6 * 7")
    before = outputs(project)
    assert notebooks.main(["accept"], project) == 2
    assert "Run `make figures` first" in capsys.readouterr().err
    assert outputs(project) == before


def test_strip_removes_what_a_run_leaves_and_check_finds_it(project, capsys):
    source = project / "notebooks" / "one.ipynb"
    clean = nbformat.read(source, as_version=4)
    shutil.copy(folder(project) / "index.ipynb", source)
    assert notebooks.main(["check"], project) == 1
    assert "one: it holds outputs" in capsys.readouterr().err
    assert notebooks.main(["strip"], project) == 0
    assert notebooks.main(["check"], project) == 0
    stripped = nbformat.read(source, as_version=4)
    assert [cell.source for cell in stripped.cells] == [cell.source for cell in clean.cells]
    assert [len(cell.outputs) for cell in stripped.cells][-2:] == [0, 1]


def test_strip_and_check_name_what_is_no_notebook_and_touch_nothing(project, capsys):
    write_notebook(project, "two", "1").write_text("<<<<<<< ours")
    shutil.copy(folder(project) / "index.ipynb", project / "notebooks" / "three.ipynb")
    before = outputs(project)
    for command, code in (("strip", 2), ("check", 1)):
        assert notebooks.main([command, "two", "three"], project) == code
        assert "two.ipynb is no notebook" in capsys.readouterr().err
    assert outputs(project) == before


def test_check_holds_sources_to_their_form(project, capsys):
    write_notebook(project, "one", "1", parameters="n = 3")
    assert notebooks.main(["check"], project) == 1
    assert capsys.readouterr().err == "one: not `name: type = literal`: n = 3\n"
