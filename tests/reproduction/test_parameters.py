"""Parameters of notebooks: the rules of the scenario's fields, and those of other parameters."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import splitlib as sl
from reproduction import parameters
from reproduction.parameters import RULES, check_values, schema_of

CELL = """
V: list[float] = [1.0, 3.0]  # weight of energy, s²/J
alpha_max: list[float] = [1.0, 0.1]
p_min: float = 0.01
p_max: float = 0.1
bits_per_element: int = 32
arithmetic: str = "exact"
n_slots: int = 1000
burn_in: int = 0
"""
SCHEMA = schema_of(CELL)


def test_schema_follows_the_declarations():
    expected = {
        "V": list[float], "alpha_max": list[float], "p_min": float, "p_max": float,
        "bits_per_element": int, "arithmetic": str, "n_slots": int, "burn_in": int,
    }  # fmt: skip
    assert expected == SCHEMA


@pytest.mark.parametrize(("cell", "message"), [
    ("V = 3.0", "not `name: type = literal`: V = 3.0"),
    ("V: float", "not `name: type = literal`: V: float"),
    ("import os", "not `name: type = literal`: import os"),
    ("V: float = 3.0\nV: float = 4.0", "the parameter V is given twice"),
    ("V: complex = 3.0", "V must be a float, an int, a str or a list of them, not complex"),
    ("V: float = 10 ** 6", r"V must be a literal, got 10 \*\* 6"),
    ("V: float = float('inf')", "V must be a literal, got float"),
    ("V: float = {[1]: 2}", "V must be a literal, got {"),
    ("(V): float = 3.0", r"not `name: type = literal`: \(V\): float = 3.0"),
    ("sl.V: float = 3.0", "not `name: type = literal`: sl.V: float = 3.0"),
])  # fmt: skip
def test_a_cell_may_hold_only_annotated_literals(cell, message):
    with pytest.raises(ValueError, match=message):
        schema_of(cell)


@pytest.mark.parametrize("values", [
    {}, {"V": 3.0}, {"V": 3}, {"V": [3.0]}, {"alpha_max": [1, 0.5]}, {"p_min": 0.1},
    {"arithmetic": "paper"}, {"burn_in": 999, "n_slots": 1000}, {"bits_per_element": 1},
])  # fmt: skip
def test_good_values_pass(values):
    check_values(SCHEMA, values)


@pytest.mark.parametrize(("values", "message"), [
    ({"v": 3.0}, r"no parameter 'v' \(did you mean 'V'\?\)"),
    ({"alphamax": 0.1}, r"no parameter 'alphamax' \(did you mean 'alpha_max'\?\)"),
    ({"V": "3"}, "V must be a real number in"),
    ({"p_min": np.float64(-0.30000000000000004)}, r"got np.float64\(-0.30000000000000004\)"),
    ({"p_min": 10**400}, r"p_min must be a finite number in \(0, inf\), got 1000"),
    ({"n_slots": 2**63}, r"n_slots must be an integer below 2\*\*63, got 9223372036854775808"),
    ({"V": True}, "V must be a real number in"),
    ({"V": [1.0, None]}, r"V\[1\] must be a real number in"),
    ({"V": [[1.0]]}, r"V\[0\] must be a real number in"),
    ({"V": [1.0, 0.0]}, r"V\[1\] must be a finite number in \(0, inf\), got 0.0"),
    ({"V": []}, "V must hold at least one value, none twice"),
    ({"V": [1.0, 1]}, "V must hold at least one value, none twice"),
    ({"V": {"a": 1}}, "V must be a real number in"),
    ({"V": math.inf}, "V must be a finite number"),
    ({"V": math.nan}, "V must be a finite number"),
    ({"alpha_max": 1.5}, r"alpha_max must be a finite number in \(0, 1\], got 1.5"),
    ({"p_min": [0.01, 0.02]}, "p_min must be a real number"),
    ({"p_min": 0.2}, "p_min must not exceed p_max = 0.1, got 0.2"),
    ({"bits_per_element": 8.0}, "bits_per_element must be an integer of at least 1, got 8.0"),
    ({"bits_per_element": False}, "bits_per_element must be an integer"),
    ({"n_slots": 0}, "n_slots must be an integer of at least 1, got 0"),
    ({"burn_in": -1}, "burn_in must be an integer of at least 0, got -1"),
    ({"burn_in": 5, "n_slots": 5}, "burn_in must be less than the 5 slots, got 5"),
    ({"arithmetic": "papre"}, r"must be one of .* \(did you mean 'paper'\?\)"),
])  # fmt: skip
def test_bad_values_are_refused(values, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_values(SCHEMA, values)


@pytest.mark.parametrize("name", [
    field.name for field in dataclasses.fields(sl.Scenario) if isinstance(field.default, float)
])  # fmt: skip
@given(value=st.floats(allow_nan=True, allow_infinity=True))
def test_fields_are_refused_exactly_when_the_scenario_refuses_them(name, value):
    def complaint(act):
        try:
            act()
        except (TypeError, ValueError) as error:
            return str(error)
        return None

    ours = complaint(lambda: check_values({name: float}, {name: value}))
    assert ours == complaint(lambda: sl.Scenario(**{name: value}))


def test_no_rule_overrides_that_of_a_field():
    assert not RULES.keys() & {field.name for field in dataclasses.fields(sl.Scenario)}


def running(injected=None, **changed):
    """Return the globals of a notebook just after its parameters cell."""
    namespace = {}
    exec(CELL, namespace)
    namespace["In"] = ["", "import splitlib as sl", CELL]
    if injected:
        exec(injected, namespace)
        namespace["In"].append("# Parameters\n" + injected)
    return namespace | changed


@pytest.mark.parametrize("later", [
    "from collections import Counter\ncounts: Counter = Counter()", "y: [1, 2] = 3",
    "def f():\n    n: int = 3\nm = 4",
])  # fmt: skip
def test_check_can_be_repeated_after_annotations_in_later_cells(later):
    again = running()
    exec(later, again)
    again["In"].append(later)
    parameters.check(again)


def test_types_may_be_strings():
    """After ``from __future__ import annotations`` in a cell, annotations are strings."""
    exec("from __future__ import annotations\n" + CELL, texts := running())
    assert texts["__annotations__"]["V"] == "list[float]"
    parameters.check(texts)
    with pytest.raises(ValueError, match="n_slots must be an integer"):
        parameters.check(texts | {"n_slots": 1e3})


def test_a_notebook_checks_its_actual_parameters():
    parameters.check(running())
    parameters.check(running("V = [2.0]\n"))
    parameters.check(running(something_else=3))  # a rerun, after later cells
    typed = running(alphamax=0.5)
    typed["In"] += ["%matplotlib inline", "result = 3", CELL + "alphamax = 0.5"]
    with pytest.raises(TypeError, match=r"no parameter 'alphamax' \(did you mean 'alpha_max'"):
        parameters.check(typed)
    with pytest.raises(TypeError, match=r"no parameter 'alpha_maxx' \(did you mean 'alpha_max'"):
        parameters.check(running("alpha_maxx = 0.5\n"))
    with pytest.raises(ValueError, match=r"alpha_max must be a finite number in \(0, 1\], got 2"):
        parameters.check(running("alpha_max = 2\n"))
    with pytest.raises(ValueError, match="n_slots must be an integer"):
        parameters.check(running(n_slots=1e3))
