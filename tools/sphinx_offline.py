"""Sphinx extension: no page asks another host for anything.

Formulas and widgets load from the book's own assets (see `tools.assets`), and what the theme's
extensions would fetch from a network is left out.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from tools.assets import FOLDER

_WIDGETS = ("require.js", "widgets.js", "@jupyter-widgets/html-manager/dist/embed-amd.js")


def _use_own_assets(app: Sphinx, config: Any) -> None:
    # Not in _config.yml, since Jupyter Book would load every script of such a folder on every page.
    config.html_static_path.append(str(FOLDER / "static"))
    config.mathjax_path = "assets/tex-svg.js"
    config.nb_ipywidgets_js = {f"assets/{name}": {} for name in _WIDGETS}


def _drop_outside_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    context["script_files"] = [
        script for script in context["script_files"] if not _is_outside(script)
    ]


def _is_outside(script: Any) -> bool:
    """Tell whether a script comes from another host, or is thebe's, which would load from one."""
    body = getattr(script, "attributes", {}).get("body") or ""
    name = str(getattr(script, "filename", script))
    return "://" in name or "thebe" in name or "THEBE_JS_URL" in body


def _read_on_all_cores(app: Sphinx, config: Any) -> None:
    # Two of Jupyter Book's own say nothing of it: neither keeps anything from page to page.
    for name in ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex"):
        app.extensions[name].parallel_read_safe = True


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", _use_own_assets, priority=100)
    app.connect("config-inited", _read_on_all_cores, priority=900)
    app.connect("html-page-context", _drop_outside_scripts, priority=1000)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
