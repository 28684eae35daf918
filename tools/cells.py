"""The cells of a notebook: its parameters, what a run leaves in them, and what may stay."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from reproduction.parameters import schema_of

# Else jsonschema, which nbformat imports, builds for a second a grammar that nothing here uses.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

import nbformat  # noqa: E402

CHECKED = "nbval-check-output"
CHECK = "parameters.check(globals())"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

Notebook = Any  # nbformat.NotebookNode is untyped


def read(path: Path) -> Notebook:
    """Return a notebook; raise ValueError if the file holds none."""
    try:
        text = path.read_text("utf-8")
        ids = [cell.get("id") for cell in json.loads(text)["cells"]]
        if not all(ids) or len(ids) != len(set(ids)):  # a reader would make up new ones each time
            raise ValueError("each cell must have an id of its own, as of nbformat 4.5")
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises anything at what it does not expect
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{path.name} is no notebook: {reason}") from error
    return notebook


def write(notebook: Notebook, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def parameters_of(notebook: Notebook) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the types and the values that a notebook's ``parameters`` cell declares.

    Raise ValueError unless there is one such cell, of annotated literals alone, the next code
    checks them, and the notebook is for Python.
    """
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise ValueError(f"its kernel must be one for python, not for {language}")
    # Papermill looks at cells of every kind, and puts values where it has put some before.
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if len(tagged) != 1:
        raise ValueError(f"one code cell must have the tag 'parameters', not {len(tagged)}")
    if tagged[0] not in code:
        raise ValueError("the cell with the tag 'parameters' must be one of code")
    if any("injected-parameters" in cell.metadata.get("tags", []) for cell in notebook.cells):
        raise ValueError("no cell may have the tag 'injected-parameters'")
    index = code.index(tagged[0])
    try:
        schema = schema_of(code[index].source)
    except (SyntaxError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", "it is too deep")
        raise ValueError(f"its cell of parameters is no Python: {reason}") from error
    following = code[index + 1].source if index + 1 < len(code) else ""
    if not following.startswith(CHECK):
        raise ValueError(f"the code after its cell of parameters must begin with {CHECK}")
    body = ast.parse(code[index].source).body
    values = [ast.literal_eval(statement.value) for statement in body]
    lists = [list(value) if isinstance(value, tuple) else value for value in values]  # as in JSON
    return schema, dict(zip(schema, lists, strict=True))


def unfinished(notebook: Notebook) -> bool:
    """Tell whether a cell was not run to its end, or a widget has swallowed an error."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    widgets = [model.get("state", {}) for model in _widgets(notebook).values()]
    shown = [output for place in (*cells, *widgets) for output in place.get("outputs", [])]
    return any(cell.execution_count is None for cell in cells) or any(
        output.get("output_type") == "error" for output in shown
    )


def _widgets(notebook: Notebook) -> dict[str, Any]:
    """Return the widgets' models by their ids."""
    return dict(notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {}))


def strip(notebook: Notebook) -> Notebook:
    """Return the notebook without what running it leaves behind, but with the checked tables."""
    for cell in notebook.cells:
        for name in ("execution", "collapsed", "papermill"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            checked = CHECKED in cell.metadata.get("tags", [])
            cell.outputs = cell.outputs if checked else []
            cell.execution_count = 1 if cell.outputs else None  # nbval wants a number
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = 1
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def accept(source: Path, executed: Path) -> None:
    """Copy the executed tables into the source."""
    fresh = {cell.id: cell for cell in read(executed).cells}
    notebook = read(source)
    for cell in notebook.cells:
        if CHECKED in cell.metadata.get("tags", []):
            cell.outputs = fresh[cell.id].outputs
    write(strip(notebook), source)


def deterministic(notebook: Notebook) -> Notebook:
    """Remove times and random ids, so that two equal runs give equal files.

    Links that led from ``notebooks`` are made to lead from a folder in ``book/executed``.
    """
    text = nbformat.writes(notebook)
    for index, model_id in enumerate(_widget_ids(notebook)):
        text = text.replace(model_id, f"{index:032x}")
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata.pop("papermill", None)
    for index, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = f"injected-{index}"
        if cell.cell_type == "markdown":
            linked = re.sub(r"\]\((\w+)\.ipynb", r"](../\1/index.ipynb", cell.source)
            cell.source = linked.replace("](../book/", "](../../")
    return notebook


def _widget_ids(notebook: Notebook) -> list[str]:
    """Return the ids of all widgets in an order that does not depend on them.

    First come those on display, each followed by what it refers to, then the others, such as
    links, by what they say.
    """
    # Other ids than random ones are not replaced in the text of a notebook.
    random = [each for each in _widgets(notebook).items() if re.fullmatch("[0-9a-f]{32}", each[0])]
    said = {model_id: json.dumps(model, sort_keys=True) for model_id, model in random}
    found: list[str] = []

    def visit(model_id: str) -> None:
        if model_id in said and model_id not in found:
            found.append(model_id)
            for other in re.findall(r"IPY_MODEL_(\w+)", said[model_id]):
                visit(other)

    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            visit(output.get("data", {}).get(WIDGET_VIEW, {}).get("model_id", ""))
    known = dict(said)
    for index, model_id in enumerate(found):
        known = {other: text.replace(model_id, f"#{index}") for other, text in known.items()}

    def without_ids(model_id: str) -> str:
        return re.sub(r"IPY_MODEL_\w+", "", known[model_id])

    for model_id in sorted(said.keys() - set(found), key=without_ids):
        visit(model_id)
    return found
