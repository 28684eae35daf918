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
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import yaml

from splitlib import claims
from splitlib.claims import VERDICTS, Claim, Measurement
from splitlib.statistics import Interval
from tools import fingerprint, notebooks

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
        wanted = {item.number for item in claim.measured}
        missing = sorted(wanted - numbers.keys())
        broken = sorted(name for name in wanted & numbers.keys() if not _sound(numbers[name]))
        if missing:
            found.append(f"{claim.id}: no executed notebook has {', '.join(missing)}")
        elif broken:
            found.append(f"{claim.id}: {', '.join(broken)} is no number within its interval")
        elif (verdict := claim.judge(numbers)) != claim.verdict:
            found.append(f"{claim.id}: recorded as {claim.verdict!r}, measured as {verdict!r}")
        found += _printed_otherwise(claim)
    return found + _readings_faults({claim.id: claim for claim in judged}, numbers, readings)


def _sound(found: Interval) -> bool:
    """Tell whether a number is finite and, where it has an interval, within it."""
    inside = math.isnan(found.lower) or found.lower <= found.value <= found.upper
    return math.isfinite(found.value) and inside


def _printed_otherwise(claim: Claim) -> list[str]:
    """Return a complaint if the paper's own number is not what would be accepted."""
    item = claim.measured[0]
    if item.accept is None or not (item.accept[0] == item.accept[1] or "around" in claim.paper):
        return []
    plain = re.fullmatch(r"(?:around )?(-?[\d.,]+)(?: × 10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))?(?: .*)?", claim.paper)
    if plain is None:
        return []
    power = int(plain[2].translate(_DIGITS)) if plain[2] else 0
    printed = float(plain[1].replace(",", "")) * 10.0**power
    if item.accepts(Interval(printed, printed, printed)):
        return []
    return [f"{claim.id}: the paper's {claim.paper!r} would not be accepted"]


def _readings_faults(
    judged: Mapping[str, Claim], numbers: Mapping[str, Interval], readings: pd.DataFrame
) -> list[str]:
    """Return what is wrong with the table of the notebook on assumptions."""
    found = []
    ours = readings.reading.iloc[0]
    names = set(readings.reading)
    for (name, reading), rows in readings.groupby(["claim", "reading"], sort=False):
        if name not in judged:
            continue
        claim = judged[name]
        here = {row.number: Interval(row.value, row.lower, row.upper) for row in rows.itertuples()}
        where = f"{name}, where other readings are compared ({reading!r})"
        if set(here) != {item.number for item in claim.measured}:
            found.append(f"{where}: its numbers are not those of the claim")
        elif {claim.judge(here)} != set(rows.verdict):
            found.append(f"{where}: the verdict is not that of its numbers")
        elif reading == ours and any(not _same(here[key], numbers.get(key)) for key in here):
            found.append(f"{where}: a number is not that of its own notebook")
    per_claim = readings.groupby("claim").reading.agg(set)
    found += [f"{name}: judged under some readings only" for name in per_claim.index
              if per_claim[name] != names]  # fmt: skip
    return found


def _same(left: Interval, right: Interval | None) -> bool:
    """Tell whether two numbers and their intervals are equal, NaN being equal to NaN."""
    return right is not None and all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(left, right, strict=True)
    )


def _project_faults(judged: Sequence[Claim], root: Path) -> list[str]:
    """Return notebooks that do not verify, and claims whose figure no page has."""
    sources = fingerprint.notebooks(root)
    found = notebooks.faults(sources, root)
    pages = "".join(path.read_text() for path in sources)
    return found + [
        f"{claim.id}: no notebook has the label {claim.figure!r}"
        for claim in judged
        if sources and claim.figure and f"({claim.figure})=" not in pages
    ]


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
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

#: How the labels of numbers begin that are shares, and shown in per cent.
_SHARES = ("neighbouring", "share of", "seeds and neighbouring", "α_max at which", "and from")


def _show(item: Measurement, found: Interval) -> str:
    """Return a number with its unit and, where it has one, its confidence interval."""
    factor, unit = _unit(item)
    found = Interval(*(factor * end for end in found))
    sure = math.isnan(found.lower)
    value, lower, upper = (_number(end, item.digits, pad=not sure) for end in found)
    text = value if sure else f"{value} [{lower}, {upper}]"
    return f"{text}{unit}"


def _unit(item: Measurement) -> tuple[float, str]:
    """Return the factor and the unit in which a number is shown: shares in per cent."""
    if item.label.startswith(_SHARES) and not item.unit:
        return 100.0, "\u00a0%"
    return 1.0, f"\u00a0{item.unit}" if item.unit else ""


def _accepted(item: Measurement) -> str:
    """Return the accepted interval in words."""
    if item.accept is None:
        return ""
    low, high = item.accept
    factor, unit = _unit(item)
    lower, upper = (_number(factor * end, 6) for end in item.accept)
    if low == high:
        return f"{lower}{unit}"
    if math.isinf(low):
        return f"at most {upper}{unit}"
    return f"at least {lower}{unit}" if math.isinf(high) else f"{lower} to {upper}{unit}"


def write_pages(root: Path) -> None:
    """Write the scorecard, its details and the line for the front page into ``book/executed``."""
    judged = claims.load(root / "book" / "claims.yml")
    numbers = measured(root)
    readings = other_readings(root)
    executed = root / "book" / "executed"
    today = summary([replace(claim, verdict=claim.judge(numbers)) for claim in judged])
    lines = ["(chapter-scorecard)=", "# The scorecard", "", today, "", _INTRODUCTION]
    for prefix, title in _SECTIONS.items():
        of_section = [claim for claim in judged if _section(claim) == prefix]
        lines += ["", f"## {title}", "", "| | claim | the paper | ours |", "|:-:|:--|:--|:--|"]
        lines += [_row(claim, numbers) for claim in of_section]
    details = ["# The scorecard, claim by claim", "", _DETAILS, ""]
    for prefix, title in _SECTIONS.items():
        details += [f"## {title}", ""]
        for claim in judged:
            if _section(claim) == prefix:
                details += _details(claim, numbers, readings[readings.claim == claim.id])
    _write(executed / "scorecard.md", "\n".join(lines) + "\n")
    _write(executed / "claims.md", "\n".join(details) + "\n")
    _write(executed / "scorecard-summary.md", today + "\n")


_INTRODUCTION = """Every figure, number and checkable sentence of the paper's abstract and
Sections II to V stands here, in our words, with what we measured. The list was written down, with
the limits that a number has to keep, before it was judged; the numbers of Figures 1 to 3 were known
by then, so the limits follow a rule: a printed number is met to half a unit of its last digit, and
an order or a count exactly. `make claims` judges all of them anew. **✓** means that every number
keeps its limits, **~** that some do, **✗** that none does, and **·** that the sentence is too vague
for a number to contradict it. Brackets hold 95 % confidence intervals. Each claim leads to its
details: where it stands, its limits and where they come from, the figure and the code, and what it
would be under [other readings of the paper](assumptions.ipynb)."""


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
    shown = f"**{_show(items[0], numbers[items[0].number])}**"
    if items[0].label:
        shown = f"{items[0].label}: {shown}"
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    more += f" [[figure](#{claim.figure})]" if claim.figure else ""
    link = f"[{claim.says}](#claim-{claim.id})"
    return _line(SIGNS[claim.judge(numbers)], link, claim.paper or "–", shown + more)


def _line(*cells: str) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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
        lines.append(_line(*cells))
    lines += ["", f"Measured, with its code, in {links}.{figure}"]
    lines[-1] += " [Back to the scorecard.](#chapter-scorecard)"
    return [*lines, "", *_under_other_readings(claim, readings), ""]


def _under_other_readings(claim: Claim, readings: pd.DataFrame) -> list[str]:
    """Return a table, folded up, of what a claim would be under each other reading."""
    if not len(readings):
        return ["Other readings were not tried, or do not enter into it."]

    def cells(reading: str) -> list[str]:
        rows = readings[readings.reading == reading].set_index("number")
        shown = [
            _show(item, Interval(*rows.loc[item.number, ["value", "lower", "upper"]]))
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
        wrong += _project_faults(judged, root)
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"{' '.join(str(error).split())[:300]}", file=sys.stderr)
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
