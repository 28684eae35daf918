"""Typed parameters of the book's notebooks.

The notebook cell tagged ``parameters`` holds only annotated literals, such as
``V: list[float] = [1.0, 3.0]``: it is the notebook's schema. A name that is a field of
`splitlib.Scenario` follows the rule of that field, a name in `RULES` the rule given there; any
other float must be positive and any other int at least 1. A single value is accepted in place of a
list.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from splitlib import Scenario, channel
from splitlib._check import Count, Positive, check_burn_in, check_typed, field_types, nearest
from splitlib.network import Arithmetic

_SCENARIO = field_types(Scenario)
_SHARE = Annotated[float, "(0, 1)"]
_NOT_NEGATIVE = Annotated[int, 0]

#: Rules of parameters that are not fields of the scenario; they apply in all notebooks.
RULES: dict[str, Any] = {
    "alpha_max_fig3": _SCENARIO["alpha_max"],
    "arithmetic": Arithmetic,
    "bad_exponent": _SCENARIO["path_loss_exponent"],
    "burn_in": _NOT_NEGATIVE,
    "busy_share": _SHARE,
    "excess": _SHARE,
    "front_alpha_max": _SCENARIO["alpha_max"],
    "front_exponent": _SCENARIO["path_loss_exponent"],
    "frontier_tolerance": _SHARE,
    "grid_probability": Annotated[float, "[0, 1]"],
    "light_exponent": _SCENARIO["path_loss_exponent"],
    "long_burn_in": _NOT_NEGATIVE,
    "noise_psd_dbm": Annotated[float, "(-1000, 1000)"],
    "other_alpha_max": _SCENARIO["alpha_max"],
    "own_burn_in": _NOT_NEGATIVE,
    "paper_alpha_max": _SCENARIO["alpha_max"],
    "paper_saving": _SHARE,
    "perturbation": _SHARE,
    "reached": _SHARE,
    "seed": _NOT_NEGATIVE,
    "slow_alpha_max": _SCENARIO["alpha_max"],
    "tolerance": _SHARE,
}

#: Each burn-in must be shorter than this number of slots.
_SLOTS = {"burn_in": "n_slots", "long_burn_in": "long_slots", "own_burn_in": "own_slots"}

#: Types that a parameter may be declared with.
_KINDS: dict[str, Any] = {
    "float": float, "int": int, "str": str,
    "list[float]": list[float], "list[int]": list[int], "list[str]": list[str],
}  # fmt: skip


def schema_of(source: str) -> dict[str, Any]:
    """Return the type of each parameter declared in a cell of annotated literals.

    Parameters
    ----------
    source : str
        The code of the cell.

    Returns
    -------
    dict
        ``float``, ``int``, ``str`` or a ``list`` of one of them, by name.

    Raises
    ------
    ValueError
        If the cell contains anything but ``name: type = literal``, or a name twice.

    Examples
    --------
    >>> schema_of("seeds: int = 10  # independent runs")
    {'seeds': <class 'int'>}
    """
    schema: dict[str, Any] = {}
    for statement in ast.parse(source).body:
        if not (isinstance(statement, ast.AnnAssign) and statement.simple and statement.value):
            written = ast.unparse(statement).partition("\n")[0]
            raise ValueError(f"not `name: type = literal`: {written}")
        name, text = ast.unparse(statement.target), ast.unparse(statement.annotation)
        if name in schema:
            raise ValueError(f"the parameter {name} is given twice")
        if text not in _KINDS:
            raise ValueError(f"{name} must be a float, an int, a str or a list of them, not {text}")
        try:
            ast.literal_eval(statement.value)
        except (ValueError, TypeError) as error:
            written = ast.unparse(statement.value)
            raise ValueError(f"{name} must be a literal, got {written}") from error
        schema[name] = _KINDS[text]
    return schema


def check_values(schema: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raise unless the notebook's schema allows every value.

    Parameters
    ----------
    schema : mapping
        As returned by `schema_of`.
    values : mapping
        Values of some or all parameters, by name.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or a value of the wrong type or out of its range.
    """
    for name, value in values.items():
        if name not in schema:
            raise TypeError(f"there is no parameter {name!r}{nearest(name, schema)}")
        check_typed(name, value, _rule(name, schema[name]))
    Scenario(**_single_fields(values))  # checks the relations between its fields
    for burn_in, slots in _SLOTS.items():
        if burn_in in values and slots in values:
            check_burn_in(values[burn_in], values[slots], burn_in)


def check(namespace: Mapping[str, Any]) -> None:
    """Raise unless the parameters of a running notebook agree with its ``parameters`` cell.

    Call it right after that cell. It also checks the values injected by papermill and assignments
    without a type, because a misspelt name would otherwise have no effect and go unnoticed.

    Parameters
    ----------
    namespace : mapping
        The notebook's ``globals()``.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or a value of the wrong type or out of its range.
    """
    schema = _declared(namespace)
    for source in namespace.get("In", ()):
        for name in _assigned(source):
            if name not in schema:
                raise TypeError(f"there is no parameter {name!r}{nearest(name, schema)}")
    check_values(schema, {name: namespace[name] for name in schema})


def scenario_of(namespace: Mapping[str, Any]) -> Scenario:
    """Return the scenario described by the parameters of a running notebook.

    Parameters
    ----------
    namespace : mapping
        The notebook's ``globals()``. A parameter named like a field sets that field, unless it is
        a list; ``noise_psd_dbm`` sets ``noise_psd``.
    """
    values = {name: namespace[name] for name in _declared(namespace)}
    fields = _single_fields(values)
    if "noise_psd_dbm" in values:
        fields["noise_psd"] = channel.dbm_to_watt(values["noise_psd_dbm"])
    return Scenario(**fields)


def _single_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values for fields of the scenario, without lists."""
    return {n: v for n, v in values.items() if n in _SCENARIO and not isinstance(v, list)}


def _declared(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types of the parameters that a running notebook has declared."""
    noted = namespace["__annotations__"].items()  # strings, if annotations are postponed
    return {n: kind for n, one in noted for text, kind in _KINDS.items() if one in (text, kind)}


def _assigned(source: str) -> list[str]:
    """Return the names assigned without a type, if the cell holds parameters."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic
        return []
    assignments = [statement for statement in body if isinstance(statement, ast.Assign)]
    declared = [statement for statement in body if isinstance(statement, ast.AnnAssign)]
    declares = declared and len(body) == len(assignments) + len(declared)
    if not declares and not source.startswith("# Parameters\n"):  # papermill's injected cell
        return []
    return [ast.unparse(target) for statement in assignments for target in statement.targets]


def _rule(name: str, kind: Any) -> Any:
    """Return the type of a parameter for `check_typed`."""
    if get_origin(kind) is list:
        return list[_rule(name, get_args(kind)[0])]  # type: ignore[misc]
    default = {float: Positive, int: Count, str: str}[kind]
    return _SCENARIO.get(name) or RULES.get(name, default)
