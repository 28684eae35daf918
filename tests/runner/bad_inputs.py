"""What people and machines type, break and forget: each must be refused before any work.

Every entry is a name, a module with its command line, and how the project is broken beforehand.
They are tried in one process by the tests, and in a process of their own by ``make torture``.
"""

import json

import nbformat

from tests.runner.projects import notebook, write_notebook

FIG2 = "fig2_energy_delay"
LONG = "9" * 5000
HUGE = "9" * 400  # still an int to Python

_NAMES = [
    "", "fig2", "fig2_energy_delay.ipynb", f"notebooks/{FIG2}", f"../{FIG2}", FIG2.upper(),
    f"{FIG2} ", "*", "all", "\u0441onvergence", "../../etc/passwd",
]  # fmt: skip
_COMMANDS = [
    [], ["rum"], ["RUN"], ["run", FIG2, "-x"], ["verify", "fig9"], ["run", FIG2, "-p", "V=3"],
    ["strip", "nothing"], ["run", "--force"], ["run", FIG2, "--x\n1\n2\n3"],
]  # fmt: skip
_OPTIONS = [[], [FIG2, "-x"], [FIG2, "-p"], [FIG2, "explorer"], ["-p", "V=3"], [FIG2, "--brie=1"]]
_TEXTS = [
    "V", "=3", "=", "V=", "V=no", "V=null", "V=None", "V=True", "V=1e400", "V=-1e400", "V=.nan",
    "V=nan", "V=-inf", "V=Infinity", "V=0", "V=-1", "V=[1,1.0]", "V=[]", "V=()", "V=[1,[2]]",
    "V={'a':1}", "V={1,2}", "V='3'", "V=1 2", "V=3s", "V=0x", "V=08", "V=1__0", "V=b'3'", "V=3j",
    "V=...", "V=10**3", "V=lambda: 3", "V=__import__('os').getcwd()", "V=1;2", "V==3", "V=[1,2",
    "V=1,,2", "V=\uff11", "V:=3", f"V={LONG}", "V=" + "[" * 9999, "V=[1,nan]", "V=[1,'2']",
    "V=[1,True]", f"V=[1,-{HUGE}]", "V=-1e-400", "V=-0.0", "V=3,5 7", "V=\x1b[31m3", "V='\\d'",
]  # fmt: skip
_UNKNOWN = [
    "v=3", "alphamax=0.5", "beta=4", "seed=1", " V=3", "V =3", "V\n=3", "In=3",
    "__annotations__={}", "sl=3", "globals=1", "d-avg=0.05", "path_loss_exponant=4", "\u03b2=4",
]  # fmt: skip
_RANGES = [
    "alpha_max=0", "alpha_max=1.0000001", "alpha_max=[0.5,0]", "path_loss_exponent=-1",
    "path_loss_exponent=1e308", "distance=0", "distance=[50,60]", "bandwidth=-1",
    "noise_psd_dbm=-2000", "noise_psd_dbm=nan", "p_min=0", "p_min=0.2", "p_max=0.001",
    "arrival_rate=-1", "arrival_rate=1e10", "d_avg=0", "epsilon=1", "bits_per_element=8.0",
    "bits_per_element=True", "n_slots=0", "n_slots=1e5", "n_slots='10'", f"n_slots={HUGE}",
    "n_slots=9223372036854775808", "burn_in=-1", "burn_in=200000", "burn_in=1.5", "seeds=0",
    "seeds=[1,2]", "seeds=False",
]  # fmt: skip
_FIG1 = ["arithmetic=papr", "arithmetic=1", "arithmetic=Paper", "image_size=224.0"]


def _source(text):
    def breaking(root):
        (root / "notebooks" / "one.ipynb").write_text(text)

    return breaking


def _cells(*sources, tags=None, kernelspec=None, **others):
    def breaking(root):
        broken = notebook(*(sources or ("1",)), **others)
        for index, tagged in (tags or {}).items():
            broken.cells[index].metadata["tags"] = tagged
        broken.metadata["kernelspec"].update(kernelspec or {})
        nbformat.write(broken, root / "notebooks" / "one.ipynb")

    return breaking


def _lock(text):
    def breaking(root):
        (root / "requirements.lock").write_bytes(text.encode("latin-1"))

    return breaking


def _in_place_of(name, folder):
    """Put a folder, or nothing, in place of a file."""

    def breaking(root):
        (root / name).unlink(missing_ok=True)
        if folder:
            (root / name).mkdir()

    return breaking


def _tagged(kind, tag, alone=False):
    """Put a cell before all others where papermill looks for the place of its values."""

    def breaking(root):
        broken = notebook("1")
        if alone:
            broken.cells[1].metadata["tags"] = []
        new = getattr(nbformat.v4, f"new_{kind}_cell")("n: int = 3", id="other")
        new.metadata["tags"] = [tag]
        broken.cells.insert(0, new)
        nbformat.write(broken, root / "notebooks" / "one.ipynb")

    return breaking


def _edited(edit):
    def breaking(root):
        path = write_notebook(root, "one", "1")
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))

    return breaking


_PROJECTS = {
    "an empty file": _source(""),
    "no JSON": _source("This is my notebook."),
    "half a notebook": _source('{"cells": [{"cell_type": "code", "sou'),
    "a list": _source("[]"),
    "no cells": _source('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}'),
    "cells without a type": _source(
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"source": "1"}]}'
    ),
    "a folder": _in_place_of("notebooks/one.ipynb", True),
    "no metadata": _edited(lambda content: content.pop("metadata")),
    "a number for cells": _edited(lambda content: content.update(cells=3)),
    "no minor version": _edited(lambda content: content.update(nbformat_minor=None)),
    "no ids, as once": _edited(lambda content: [cell.pop("id") for cell in content["cells"]]),
    "one id twice": _edited(lambda content: [cell.update(id="a") for cell in content["cells"]]),
    "an older format": _source(
        '{"nbformat": 3, "nbformat_minor": 0, "worksheets": [], "cells": []}'
    ),
    "too deep a list": _source("[" * 200_000),
    "no tag": _cells(tags={1: []}),
    "a misspelt tag": _cells(tags={1: ["parameter"]}),
    "two tags": _cells(tags={0: ["parameters"]}),
    "a tag on markdown": _tagged("markdown", "parameters", alone=True),
    "another tag on markdown": _tagged("markdown", "parameters"),
    "the injected tag as well": _tagged("code", "injected-parameters"),
    "the injected tag on markdown": _tagged("markdown", "injected-parameters"),
    "the injected tag alone": _cells(tags={1: ["injected-parameters"]}),
    "no annotation": _cells(parameters="n = 3"),
    "no value": _cells(parameters="n: int"),
    "an expression": _cells(parameters="n: int = 10 ** 6"),
    "a call": _cells(parameters="n: float = float('inf')"),
    "a function": _cells(parameters="def n():\n    a = 1\n    b = 2\n    return a + b"),
    "a name twice": _cells(parameters="n: int = 3\nn: int = 4"),
    "another type": _cells(parameters="n: complex = 3j"),
    "a type of no type": _cells(parameters="n: 3 = 3"),
    "a value of another type": _cells(parameters="n: int = 3.5"),
    "an endless number": _cells(parameters="n: float = 1e400"),
    "a value out of range": _cells(parameters="n: int = -3"),
    "no Python": _cells(parameters="n: int = = 3"),
    "a name in brackets": _cells(parameters="(n): int = 3"),
    "a field for a name": _cells(parameters="sl.n: int = 3"),
    "an unhashable key": _cells(parameters="n: int = {[1]: 2}"),
    "too deep a number": _cells(parameters="n: int = " + "-" * 100_000 + "3"),
    "a magic": _cells(parameters="%matplotlib inline"),
    "no check": _cells(tags={0: ["parameters"], 1: []}, start="n: int = 3"),
    "a kernel for R": _cells(kernelspec={"language": "R", "name": "ir", "display_name": "R"}),
    "no lock": _in_place_of("requirements.lock", False),
    "a lock that is a folder": _in_place_of("requirements.lock", True),
    "a lock that is binary": _lock("numpy==\xff\xfe"),
    "a lock of another version": _lock("numpy==1.0.0 \\\n    --hash=sha256:00\n"),
    "a lock with an unknown package": _lock("no-such-package==1.0\n"),
    "a lock with a range": _lock("numpy>=2,<3\n"),
    "a lock with a broken marker": _lock("numpy==2.0 ; python_version >\n"),
    "a lock after a conflict": _lock("<<<<<<< ours\nnumpy==1.0\n=======\nnumpy==1.1\n>>>>>>>\n"),
}


def bad_inputs():
    """Return name, arguments and what breaks the project, if anything, of every bad input."""
    asked = [["tools.notebooks", *arguments] for arguments in _COMMANDS]
    asked += [["tools.run", name] for name in _NAMES]
    asked += [["tools.run", *options] for options in _OPTIONS]
    values = [["-p", text] for text in [*_TEXTS, *_UNKNOWN, *_RANGES]]
    values += [["-p", "V=1", "-p", text] for text in ("V=2", "V=1", "v=1")]
    values += [["-p", "n_slots=1000"]]  # no more than its burn-in
    values += [["-p", "p_max=0.02", "-p", "p_min=0.03"]]
    asked += [["tools.run", FIG2, *given] for given in values]
    asked += [["tools.run", "fig1_layer_costs", "-p", text] for text in _FIG1]
    entries = [(" ".join(arguments)[6:66], arguments, None) for arguments in asked]
    entries += [(name, ["tools.run", "one"], breaking) for name, breaking in _PROJECTS.items()]
    return [(f"{index:03d} {name!r}", *rest) for index, (name, *rest) in enumerate(entries)]
