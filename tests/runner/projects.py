"""Small projects for the runner, in place of the book's notebooks that take minutes."""

import os
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tools import cells, manifest

#: In place of the library, which takes seconds to import.
STUB = "from types import SimpleNamespace\nparameters = SimpleNamespace(check=lambda names: None)"
PARAMETERS = "n: int = 3  # of nothing\nshare: float = 0.5\nkind: str = 'plain'\nseed: int = 1"
WRITE_CSV = 'from pathlib import Path\nPath("one.csv").write_text(f"{n},{share},{kind}")'
PRINT_BOTH = "import sys\nfor i in range(50):\n    print(i)\n    print(i, file=sys.stderr)"


def notebook(*sources, parameters=PARAMETERS, start=STUB):
    """Return a notebook of these cells after the usual first ones; the last is a checked table."""
    code = [start, parameters, cells.CHECK, *sources]
    made = [new_code_cell(source, id=f"cell-{index}") for index, source in enumerate(code)]
    made[1].metadata["tags"] = ["parameters"]
    made[-1].metadata["tags"] = [cells.CHECKED]
    return cells.strip(new_notebook(cells=made))


def write_notebook(root, name, *sources, **others):
    """Write such a notebook into a project; return its path."""
    path = root / "notebooks" / f"{name}.ipynb"
    nbformat.write(notebook(*sources, **others), path)
    return path


def make_project(root):
    """Make a project with one notebook, which has not been run."""
    for folder in ("notebooks", "splitlib"):
        (root / folder).mkdir(parents=True)
    (root / "splitlib" / "model.py").write_text("")
    (root / "requirements.lock").write_text("")
    write_notebook(root, "one", PRINT_BOTH, WRITE_CSV, "2 * n")
    return root


def outputs(folder):
    """Return the bytes of every file in a folder, without hidden ones and compiled code."""
    found = {}
    for place, folders, files in os.walk(folder):  # it minds no folder that goes meanwhile
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        for path in (Path(place) / name for name in files if name[0] != "."):
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def results(folder):
    """Return the same without manifests, which tell the time."""
    found = outputs(folder).items()
    return {name: data for name, data in found if not name.endswith(manifest.NAME)}
