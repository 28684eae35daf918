"""Translate plain scalar Python functions to JavaScript, so that no loop is written twice.

PScript does the work; this module adds the choice of functions, the constants of their modules,
and the JavaScript equivalent of `math`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

import pscript

from splitlib import bound, channel, kernel, mrg32k3a, policies

#: Functions that the page runs; each comes after those that it calls.
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    channel.unchecked_path_gain,
    mrg32k3a.next_uniform,
    mrg32k3a.poisson_quantile,
    mrg32k3a.fill_uniforms,
    mrg32k3a.fill_gain,
    mrg32k3a.fill_availability,
    mrg32k3a.fill_arrivals,
    kernel.log1p,
    kernel.stationarity,
    kernel.stationary_rate,
    kernel.fill_upper_limits,
    kernel.run_slots,
    kernel.have_settled,
    bound.ceiling,
    bound.next_prices,
    bound.raise_prices,
    policies.least_within,
)

#: Members of `math` that have another name in JavaScript's ``Math``, or are missing there.
_CONSTANTS = {"e": "Math.E", "pi": "Math.PI", "inf": "Infinity"}


def to_javascript(functions: tuple[Callable[..., Any], ...] = FUNCTIONS) -> str:
    """Return a script that defines ``functions`` and everything they need.

    Parameters
    ----------
    functions : tuple of functions
        Plain scalar Python: numbers, indexed arrays, loops over `range`, `min`, `max`, `float`,
        and the members that `math` shares with JavaScript's ``Math``.

    Returns
    -------
    str
        JavaScript.

    Raises
    ------
    pscript.JSError
        If PScript cannot translate a function.
    ValueError
        If two modules define a constant with different values.

    Examples
    --------
    >>> script = to_javascript((kernel.log1p,))
    >>> "log1p = function" in script and "log: Math.log" in script
    True
    """
    trees = [_function_tree(function) for function in functions]
    of_modules: dict[str, float] = {}
    for function in functions:
        for name, value in function.__globals__.items():
            is_constant = name.isupper() and isinstance(value, (int, float))
            if is_constant and of_modules.setdefault(name, value) != value:
                raise ValueError(f"two modules give {name} different values")
    of_math = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "math"
    }
    constants = [f"{name} = {value!r}" for name, value in sorted(of_modules.items())]
    code = "\n".join(constants + [ast.unparse(tree) for tree in trees])
    members = ", ".join(
        f"{name}: {_CONSTANTS.get(name, f'Math.{name}')}" for name in sorted(of_math)
    )
    return f"const math = {{{members}}};\n{pscript.py2js(code)}"


def _function_tree(function: Callable[..., Any]) -> ast.FunctionDef:
    """Return a function's syntax tree without decorators and docstring, for plain arithmetic."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    if ast.get_docstring(tree) is not None:
        del tree.body[0]
    tree = _RowsFirst().visit(tree)
    # Otherwise each + and == would become a call that checks the types of its operands.
    tree.body = [*ast.parse("PSCRIPT_OVERLOAD = False").body, *tree.body]
    return ast.fix_missing_locations(tree)


class _RowsFirst(ast.NodeTransformer):
    """Moves the lookup of rows, such as ``table[i]`` in ``table[i][k]``, out of loops over k.

    Compilers do this by themselves; browsers do not, and the page's curve would take 50 % longer.
    """

    def visit_For(self, loop: ast.For) -> list[ast.stmt]:
        """Return the assignments of its rows, and then the loop."""
        self.generic_visit(loop)
        changing = {each.id for each in ast.walk(loop) if _is_written(each)}
        rows: dict[str, ast.expr] = {}
        for each in _always_reached(loop):
            if isinstance(each, ast.Subscript) and isinstance(each.value, ast.Subscript):
                row = each.value
                if not changing & {part.id for part in ast.walk(row) if isinstance(part, ast.Name)}:
                    name = re.sub(r"\W+", "_", ast.unparse(row))
                    rows[name] = row
                    each.value = ast.Name(name, ast.Load())
        lookups = [ast.Assign([ast.Name(name, ast.Store())], row) for name, row in rows.items()]
        return [*lookups, loop]


def _always_reached(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that every iteration evaluates, skipping those under a condition."""
    yield node
    if not isinstance(node, ast.If):
        for child in ast.iter_child_nodes(node):
            yield from _always_reached(child)


def _is_written(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
