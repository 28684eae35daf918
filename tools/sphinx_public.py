"""Sphinx extension: buttons that need the repository's public address appear where it is set.

It is set in ``_config.yml`` at ``repository: url``. Pages of notebooks show what was executed;
their buttons lead to the notebooks' sources.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_LAUNCH = {
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
    "notebook_interface": "jupyterlab",
}


def _use_address(app: Sphinx, config: Any) -> None:
    options = config.html_theme_options
    if options.get("repository_url"):
        options["launch_buttons"] = _LAUNCH
        options["use_edit_page_button"] = options["use_repository_button"] = True
        options["path_to_docs"] = ""


def _lead_to_sources(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    for button in context.get("header_buttons", []):
        for single in [button, *button.get("buttons", [])]:
            if "://" in single.get("url", ""):  # not the download of this very page
                page = r"/book/executed/(\w+)/index\.ipynb"
                single["url"] = re.sub(page, r"/notebooks/\1.ipynb", single["url"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", _use_address, priority=100)
    app.connect("html-page-context", _lead_to_sources, priority=1000)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
