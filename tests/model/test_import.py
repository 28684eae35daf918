"""Modules that an import of the library loads, and those that it must not load."""

import subprocess
import sys

import pytest

import splitlib as sl

#: Imported only when used.
LATER = ("pandas", "xarray", "scipy.stats", "scipy.optimize", "scipy.special")
#: Packages of the extras, and modules of the book.
NEVER = ("matplotlib", "IPython", "ipywidgets", "pscript", "jsonschema", "reproduction", "tools")


def loaded_after(code):
    """Return the modules loaded in a new process after running some code."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_import_loads_neither_heavy_packages_nor_extras():
    assert not loaded_after("import splitlib") & {*LATER, *NEVER}


def test_a_simulation_loads_none_of_them_either():
    code = """
import splitlib as sl
scenario = sl.Scenario()
trace = sl.draw_trace(scenario, n_slots=50, rng=0)
sl.simulate(scenario, trace, burn_in=0)
sl.slot_costs(scenario, trace, 1e8)
"""
    assert not loaded_after(code) & {*LATER, *NEVER}


@pytest.mark.parametrize("name", sl.__all__)
def test_every_public_name_exists(name):
    assert getattr(sl, name) is not None


def test_modules_that_need_extras_load_on_demand():
    assert "matplotlib" in loaded_after("import splitlib\nsplitlib.figures")
    assert "anywidget" in loaded_after("import splitlib\nsplitlib.explorer")
    with pytest.raises(AttributeError, match="has no attribute 'claims'"):
        sl.claims  # noqa: B018
