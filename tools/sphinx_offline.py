"""Sphinx extension: no page asks another host for anything."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

#: Scripts of the theme's extensions that would be fetched from a network, or fetch from one.
_UNWANTED = ("thebe", "require.js", "requirejs", "html-manager", "embed-amd")


def _drop_outside_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    context["script_files"] = [
        script
        for script in context["script_files"]
        if not any(name in str(getattr(script, "filename", script)) for name in _UNWANTED)
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", _drop_outside_scripts, priority=1000)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
