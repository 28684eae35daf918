"""Sphinx extension: a directive that shows the widget of an executed notebook on another page.

A notebook's own page shows its widgets anyway; ``{widget} executed/explorer/index.ipynb`` takes the
first one of that notebook to a page in MyST Markdown, with all that it needs.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from docutils import nodes
from myst_nb.core.render import sanitize_script_content
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tools.cells import WIDGET_STATE, WIDGET_VIEW


class Widget(SphinxDirective):
    """Show the first widget of the notebook whose path, from this page, is the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the place of the widget, and have the page load its state and scripts."""
        _, path = self.env.relfn2path(self.arguments[0], self.env.docname)
        if not Path(path).is_file():
            raise self.error(f"there is no executed notebook {self.arguments[0]}")
        self.env.note_dependency(path)
        notebook = nbformat.read(path, as_version=4)
        outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
        views = [
            output.data[WIDGET_VIEW] for output in outputs if WIDGET_VIEW in output.get("data", {})
        ]
        if not views:
            raise self.error(f"{self.arguments[0]} shows no widget")
        state = {"type": WIDGET_STATE, "body": _script(notebook.metadata["widgets"][WIDGET_STATE])}
        scripts = {None: state, **self.config.nb_ipywidgets_js}
        for index, (uri, attributes) in enumerate(scripts.items()):
            NbMetadataCollector.add_js_file(
                self.env, self.env.docname, f"widget_{index}", uri, attributes
            )
        place = (
            f'<div class="widget"><script type="{WIDGET_VIEW}">{_script(views[0])}</script></div>'
        )
        return [nodes.raw("", place, format="html")]


def _script(value: object) -> str:
    return sanitize_script_content(json.dumps(value))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("widget", Widget)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
