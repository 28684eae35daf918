"""The book's scorecard: a page of verdicts, a page of details, and a line for the front page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from reproduction.claims import Claim
from reproduction.verdicts import (
    SIGNS,
    Recorded,
    accepted_in_print,
    in_print,
    measured_numbers,
    other_readings,
    read_lists,
    summary_line,
)
from splitlib import Interval

#: Beginning of a claim's place in the paper, and heading of its table.
_SECTIONS = {
    "Abstract": "Abstract",
    "Sec. II-": "Section II: system model",
    "Sec. III": "Section III: problem and solution",
    "Sec. IV": "Section IV: numerical results",
    "Sec. V": "Section V: conclusions",
}

_INTRODUCTION = """Every figure, number and checkable sentence of the paper's abstract and
Sections II to V stands here, in our words, with what we measured. The list was written down, with
the limits that a number has to keep, before it was judged; the numbers of Figures 1 to 3 were known
by then, so the limits follow a rule: a printed number is met to half a unit of its last digit, and
an order or a count exactly. `make claims` judges all of them anew. **✓** means that every number
keeps its limits, **~** that some do, **✗** that none does, and **·** that the sentence is too vague
for a number to contradict it. Brackets hold 95 % confidence intervals. Each claim leads to its
details: where it stands, its limits and where they come from, the figure and the code, and what it
would be under [other readings of the paper](assumptions/index.ipynb)."""

_DETAILS = """What each line of [](#chapter-scorecard) rests on: the numbers that were measured, the
limits that were set for them beforehand and where these come from, the page with figure and code,
and the first of the numbers under the [other readings](#chapter-assumptions) that change it."""


def write_pages(root: Path) -> None:
    """Write the scorecard, its details and the line for the front page into ``book/executed``."""
    listed, record = read_lists(root)
    numbers, readings = measured_numbers(root), other_readings(root)
    today = summary_line(listed, {claim.id: claim.judge(numbers) for claim in listed})
    lines = ["(chapter-scorecard)=", "# The scorecard", "", today, "", _INTRODUCTION]
    details = ["# The scorecard, claim by claim", "", _DETAILS, ""]
    for prefix, title in _SECTIONS.items():
        of_section = [claim for claim in listed if _section(claim) == prefix]
        lines += ["", f"## {title}", "", "| | claim | the paper | ours |", "|:-:|:--|:--|:--|"]
        lines += [_row(claim, numbers) for claim in of_section]
        details += [f"## {title}", ""]
        for claim in of_section:
            of_claim = readings[readings.claim == claim.id]
            details += _details(claim, record[claim.id], numbers, of_claim)
    for name, text in (
        ("scorecard.md", "\n".join(lines)),
        ("claims.md", "\n".join(details)),
        ("scorecard-summary.md", today),
    ):
        path = root / "book" / "executed" / name
        if not path.is_file() or path.read_text("utf-8") != f"{text}\n":
            path.write_text(f"{text}\n", "utf-8")


def _section(claim: Claim) -> str:
    return next(prefix for prefix in reversed(_SECTIONS) if claim.where.startswith(prefix))


def _row(claim: Claim, numbers: Mapping[str, Interval]) -> str:
    items = [item for item in claim.measured if item.accept is not None] or claim.measured
    shown = f"**{in_print(items[0], numbers[items[0].number])}**"
    if items[0].label:
        shown = f"{items[0].label}: {shown}"
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    more += f" [[figure](#{claim.figure})]" if claim.figure else ""
    link = f"[{claim.says}](#claim-{claim.id})"
    return _line(SIGNS[claim.judge(numbers)], link, claim.paper or "–", shown + more)


def _line(*cells: str) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _details(
    claim: Claim, recorded: Recorded, numbers: Mapping[str, Interval], readings: pd.DataFrame
) -> list[str]:
    verdict = claim.judge(numbers)
    otherwise = "" if verdict == recorded.verdict else f", recorded as {recorded.verdict}"
    pages = dict.fromkeys(item.notebook for item in claim.measured)
    links = ", ".join(f"[](./{page}/index.ipynb)" for page in pages)
    figure = f" Shown under [](#{claim.figure})." if claim.figure else ""
    lines = [
        f"(claim-{claim.id})=",
        f"**{SIGNS[verdict]} {claim.says}**",
        f"{claim.where}: *{verdict}{otherwise}*. {recorded.because}",
        "",
        "| measured | ours | accepted | why these limits |",
        "|:--|:--|:--|:--|",
    ]
    for item in claim.measured:
        found = numbers[item.number]
        ours = in_print(item, found)
        if item.accept is not None and not item.is_firm(found):
            ours += " (its interval reaches beyond)"
        label, why = item.label or "the number itself", item.tolerance or "–"
        lines.append(_line(label, ours, accepted_in_print(item) or "–", why))
    lines += ["", f"Measured, with its code, in {links}.{figure}"]
    lines[-1] += " [Back to the scorecard.](#chapter-scorecard)"
    return [*lines, "", *_under_other_readings(claim, readings), ""]


def _under_other_readings(claim: Claim, readings: pd.DataFrame) -> list[str]:
    """Return a folded table of a claim's verdicts and numbers under other readings."""
    if not len(readings):
        return ["Other readings were not tried, or do not enter into it."]

    def cells(reading: str) -> list[str]:
        rows = readings[readings.reading == reading].set_index("number")
        shown = [
            in_print(item, Interval(*rows.loc[item.number, ["value", "lower", "upper"]]))
            for item in claim.measured
        ]
        return [SIGNS[rows.verdict.iloc[0]], *shown]

    ours, *others = dict.fromkeys(readings.reading)
    differing = {reading: cells(reading) for reading in others if cells(reading) != cells(ours)}
    if not differing:
        return ["The same under every [other reading](#chapter-assumptions)."]
    heads = [item.label or "the number itself" for item in claim.measured]
    return [
        ":::{dropdown} Under other readings",
        _line("", "", *heads),
        _line(*(":--" for _ in range(len(heads) + 2))),
        *(_line(reading, *row) for reading, row in {ours: cells(ours), **differing}.items()),
        "",
        "What is not in this table is as ours.",
        ":::",
    ]
