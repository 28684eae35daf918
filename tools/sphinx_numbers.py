"""Sphinx extension: all numbers in the book are the paper's.

An equation labelled ``eq-7`` bears the paper's number 7, in every chapter; figures bear none.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.domains.math import MathDomain


class PaperMathDomain(MathDomain):
    """The math domain, but for where the number of a labelled equation comes from."""

    def note_equation(self, docname: str, labelid: str, location: Any = None) -> None:
        """Record an equation; its number is that in its label, if there is one."""
        super().note_equation(docname, labelid, location)
        if match := re.fullmatch(r"eq-(\d+)", labelid):
            self.equations[labelid] = (docname, int(match[1]))


def _no_figure_numbers(app: Sphinx, config: Any) -> None:
    config.numfig = False  # an extension of Jupyter Book has just set it


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_domain(PaperMathDomain, override=True)
    app.connect("config-inited", _no_figure_numbers, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
