"""Judge the paper's claims anew by the numbers of the executed notebooks.

``check``   prints every verdict; fails where one differs from what ``book/claims.yml`` records,
            where a number is missing, where the notebook on assumptions disagrees, or where the
            README is behind.
``accept``  writes the summary line into the README.

The book's scorecard is written by `write_pages`, from the same judgement.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import pandas as pd

from splitlib import claims
from splitlib.claims import VERDICTS, Claim, Measurement
from splitlib.statistics import Interval
from tools import fingerprint

SIGNS = dict(zip(VERDICTS, "✓~✗·", strict=True))
MARKS = ("<!-- scorecard -->", "<!-- /scorecard -->")

#: The part of a claim's place in the paper that its table is headed by.
_SECTIONS = {
    "Abstract": "Abstract",
    "Sec. II-": "Section II: system model",
    "Sec. III": "Section III: problem and solution",
    "Sec. IV": "Section IV: numerical results",
    "Sec. V": "Section V: conclusions",
}


def measured(root: Path) -> dict[str, Interval]:
    """Return all numbers that the executed notebooks glue, with their intervals."""
    numbers: dict[str, Interval] = {}
    for path in sorted((root / "book" / "executed").glob("*.ipynb")):
        if path.name.endswith(".failed.ipynb"):
            continue
        glued = _glued(path)
        for name, value in glued.items():
            ends = (glued.get(f"{name}_{end}", float("nan")) for end in ("lower", "upper"))
            numbers[f"{path.stem}::{name}"] = Interval(value, *ends)
    return numbers


def _glued(path: Path) -> dict[str, float]:
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = next((t for m, t in output.get("data", {}).items() if "text/plain" in m), "")
            if name and re.fullmatch(r"[-+.\deinfa]+", str(text)):
                found[name.rpartition("/")[2]] = float(text)
    return found


def other_readings(root: Path) -> pd.DataFrame:
    """Return what the notebook on assumptions measured; see its table."""
    return pd.read_csv(root / "book" / "executed" / "data" / "assumptions.csv")


def faults(
    judged: Sequence[Claim], numbers: Mapping[str, Interval], readings: pd.DataFrame
) -> list[str]:
    """Return one line for each claim that cannot be judged, or not as it is recorded."""
    found = []
    for claim in judged:
        missing = [item.number for item in claim.measured if item.number not in numbers]
        if missing:
            found.append(f"{claim.id}: no executed notebook has {', '.join(missing)}")
        elif (verdict := claim.judge(numbers)) != claim.verdict:
            found.append(f"{claim.id}: recorded as {claim.verdict!r}, measured as {verdict!r}")
    ours = readings[readings.reading == readings.reading.iloc[0]]
    recorded = {claim.id: claim.verdict for claim in judged}
    for row in ours.itertuples():
        if row.number in numbers and numbers[row.number].value != row.value:
            found.append(
                f"{row.claim}: {row.number} is {numbers[row.number].value!r}, but {row.value!r}"
                " where other readings are compared with it"
            )
        if recorded.get(row.claim) != row.verdict:
            found.append(f"{row.claim}: {row.verdict!r} where other readings are compared with it")
    return list(dict.fromkeys(found))


def summary(judged: Sequence[Claim]) -> str:
    """Return the scorecard in one sentence."""
    inputs = [claim for claim in judged if _is_input(claim)]
    others = [claim for claim in judged if claim not in inputs]
    counts = [sum(claim.verdict == verdict for claim in others) for verdict in VERDICTS]
    good, partly, bad, vague = counts
    return (
        f"Of the paper's {len(others)} claims {good} are reproduced, {partly} partly and {bad} not;"
        f" {vague} are not stated precisely enough to be judged. Not counted among them are"
        f" {len(inputs)} numbers that go in as printed."
    )


def _is_input(claim: Claim) -> bool:
    """Tell whether a claim only says which number goes in."""
    return all("::input_" in item.number and item.accept is not None for item in claim.measured)


def _number(value: float, digits: int, pad: bool = False) -> str:
    """Return a number in print: 1.9 × 10⁻¹³, and 1.00 where trailing zeros say something."""
    text = f"{value:{'#' if pad and value else ''}.{digits}g}".rstrip(".")
    mantissa, e, power = text.replace("-", "−").partition("e")
    if not e:
        return mantissa
    raised = str(int(power.replace("−", "-"))).translate(_SUPERSCRIPTS)
    return f"{mantissa}\u00a0×\u00a010{raised}"


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def _show(item: Measurement, found: Interval) -> str:
    """Return a number with its unit and, where it has one, its confidence interval."""
    sure = math.isnan(found.lower)
    value, lower, upper = (_number(end, item.digits, pad=not sure) for end in found)
    text = value if sure else f"{value} [{lower}, {upper}]"
    return f"{text}\u00a0{item.unit}" if item.unit else text


def _accepted(item: Measurement) -> str:
    """Return the accepted interval in words."""
    if item.accept is None:
        return ""
    low, high = item.accept
    lower, upper = (_number(end, 6) for end in item.accept)
    if low == high:
        return lower
    if math.isinf(low):
        return f"at most {upper}"
    return f"at least {lower}" if math.isinf(high) else f"{lower} to {upper}"


def write_pages(root: Path) -> None:
    """Write the scorecard, its details and the line for the front page into ``book/executed``."""
    judged = claims.load(root / "book" / "claims.yml")
    numbers = measured(root)
    readings = other_readings(root)
    executed = root / "book" / "executed"
    lines = ["(chapter-scorecard)=", "# The scorecard", "", summary(judged), "", _INTRODUCTION]
    for prefix, title in _SECTIONS.items():
        of_section = [claim for claim in judged if _section(claim) == prefix]
        lines += ["", f"## {title}", "", "| | claim | the paper | ours |", "|:-:|:--|:--|:--|"]
        lines += [_row(claim, numbers) for claim in of_section]
    details = ["# The scorecard, claim by claim", "", _DETAILS, ""]
    for claim in judged:
        details += _details(claim, numbers, readings[readings.claim == claim.id])
    _write(executed / "scorecard.md", "\n".join(lines) + "\n")
    _write(executed / "claims.md", "\n".join(details) + "\n")
    _write(executed / "scorecard-summary.md", summary(judged) + "\n")


_INTRODUCTION = """Every figure, number and checkable sentence of the paper's abstract and
Sections II to V stands here, in our words, with what we measured. The list was written down, with
the limits that a number has to keep, before any of them was judged, and `make claims` judges all of
them anew. **✓** means that every number keeps its limits, **~** that some do, **✗** that none does,
and **·** that the sentence is too vague for a number to contradict it. Brackets hold 95 %
confidence intervals. Each claim leads to its details: where it stands, its limits and where they
come from, the figure
and the code, and what it would be under [other readings of the paper](assumptions.ipynb)."""


_DETAILS = """What each line of [](#chapter-scorecard) rests on: the numbers that were measured, the
limits that were set for them beforehand and where these come from, the page with figure and code,
and the first of the numbers under the [other readings](#chapter-assumptions) that change it."""


def _section(claim: Claim) -> str:
    return next(prefix for prefix in reversed(_SECTIONS) if claim.where.startswith(prefix))


def _verdict(claim: Claim, numbers: Mapping[str, Interval]) -> str:
    """Return the verdict of today's numbers, and the recorded one where it differs."""
    verdict = claim.judge(numbers)
    return verdict if verdict == claim.verdict else f"{verdict}, recorded as {claim.verdict}"


def _row(claim: Claim, numbers: Mapping[str, Interval]) -> str:
    items = [item for item in claim.measured if item.accept is not None] or claim.measured
    shown = f"{_show(items[0], numbers[items[0].number])}"
    if items[0].label:
        shown = f"**{shown}** {items[0].label}"
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    more += f" [[figure](#{claim.figure})]" if claim.figure else ""
    link = f"[{claim.says}](#claim-{claim.id})"
    return f"| {SIGNS[claim.judge(numbers)]} | {link} | {claim.paper or '–'} | {shown}{more} |"


def _details(claim: Claim, numbers: Mapping[str, Interval], readings: pd.DataFrame) -> list[str]:
    pages = list(dict.fromkeys(item.notebook for item in claim.measured))
    links = ", ".join(f"[](./{page}.ipynb)" for page in pages)
    figure = f" Shown under [](#{claim.figure})." if claim.figure else ""
    lines = [
        f"(claim-{claim.id})=",
        f"**{SIGNS[claim.judge(numbers)]} {claim.says}**",
        f"{claim.where}: *{_verdict(claim, numbers)}*. {claim.because}",
        "",
        "| measured | ours | accepted | why these limits |",
        "|:--|:--|:--|:--|",
    ]
    for item in claim.measured:
        found = numbers[item.number]
        cells = [item.label or "the number itself", _show(item, found)]
        if item.accept is not None and not item.is_firm(found):
            cells[1] += " (its interval reaches beyond)"
        cells += [_accepted(item) or "–", item.tolerance or "–"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Measured, with its code, in {links}.{figure}"]
    if len(readings):
        lines[-1] += " " + _under_other_readings(claim, readings)
    return [*lines, ""]


def _under_other_readings(claim: Claim, readings: pd.DataFrame) -> str:
    """Return what a claim's first number and its verdict are under each other reading."""
    ours, *others = list(dict.fromkeys(readings.reading))
    item = claim.measured[0]
    rows = readings[readings.number == item.number].set_index("reading")
    default = rows.loc[ours]
    differing = []
    for name in others:
        row = rows.loc[name]
        if row.value != default.value or row.verdict != default.verdict:
            found = Interval(row.value, float("nan"), float("nan"))
            differing.append(f"{name} **{_show(item, found)}** {SIGNS[row.verdict]}")
    if not differing:
        return "The same under every other reading."
    rest = " Under the rest it is the same." if len(differing) < len(others) else ""
    return (
        f"Under other readings the first number and the verdict are: {'; '.join(differing)}.{rest}"
    )


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def readme_line(root: Path) -> tuple[str, str]:
    """Return the README's text, and what it should be."""
    text = (root / "README.md").read_text()
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    line = summary(claims.load(root / "book" / "claims.yml"))
    return text, f"{before}{MARKS[0]}\n{line}\n{MARKS[1]}{after}"


def check(root: Path) -> int:
    """Print all verdicts; return 1 if anything is wrong with them."""
    try:
        judged = claims.load(root / "book" / "claims.yml")
        wrong = faults(judged, numbers := measured(root), other_readings(root))
    except (claims.ClaimsError, FileNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    for claim in judged:
        known = [item for item in claim.measured if item.number in numbers]
        ours = "; ".join(_show(item, numbers[item.number]) for item in known)
        sign = SIGNS[claim.judge(numbers)] if len(known) == len(claim.measured) else "?"
        print(f"{sign} {claim.id:30s} {claim.paper or '–':24s} {ours}")
    print(f"\n{summary(judged)}")
    text, right = readme_line(root)
    if text != right:
        wrong.append("README.md does not hold this sentence: run `make accept`")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def main(arguments: Sequence[str] | None = None, root: Path = fingerprint.ROOT) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.claims", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=("check", "accept"))
    if parser.parse_args(arguments).command == "check":
        return check(root)
    _write(root / "README.md", readme_line(root)[1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
