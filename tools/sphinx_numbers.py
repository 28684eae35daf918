"""Sphinx extension: all plain numbers in the book are the paper's.

An equation labelled ``eq-7`` bears the paper's number 7, in every chapter. The book's own bear a
letter: ``eq-b7`` is (B7). Figures bear none.
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
        if match := re.fullmatch(r"eq-([a-z]?\d+)", labelid):
            number: Any = match[1].upper()  # a string, which Sphinx prints like an integer
            self.equations[labelid] = (docname, number)


def _no_figure_numbers(app: Sphinx, config: Any) -> None:
    config.numfig = False  # an extension of Jupyter Book has just set it


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_domain(PaperMathDomain, override=True)
    app.connect("config-inited", _no_figure_numbers, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
