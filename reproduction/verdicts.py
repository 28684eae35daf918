"""The recorded verdict on each claim, and the check that current numbers still support it.

The limits of a claim are set before it is judged (`reproduction.claims`); the verdict, and the
reason if it is not "reproduced", are recorded afterwards in ``verdicts.yml`` beside this module. No
notebook imports this module, so editing a verdict makes no notebook stale.

``check``   judges all claims again by the numbers of the executed notebooks and prints the
            verdicts; fails if a verdict differs from the record, a number is missing, the notebook
            on assumptions disagrees, or the README is out of date.
``accept``  writes the summary line into the README.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reproduction import claims
from reproduction.claims import VERDICTS, Claim, ClaimsError, Measurement
from splitlib import Interval

SIGNS = dict(zip(VERDICTS, "✓~✗·", strict=True))
MARKS = ("<!-- scorecard -->", "<!-- /scorecard -->")


@dataclass(frozen=True)
class Recorded:
    """A recorded verdict; ``because`` gives the reason if it is not "reproduced"."""

    verdict: str
    because: str = ""


def read_lists(root: Path) -> tuple[list[Claim], dict[str, Recorded]]:
    """Return the claims in order, and their recorded verdicts by id.

    Raises
    ------
    ClaimsError
        If a list violates its schema, or the two lists do not have the same claims.
    """
    listed = claims.load(root / "reproduction" / "claims.yml")
    path = root / "reproduction" / "verdicts.yml"
    record = {name: Recorded(**entry) for name, entry in claims.read_entries(path).items()}
    ids = [claim.id for claim in listed]
    missing = ", ".join(name for name in ids if name not in record)
    unknown = ", ".join(name for name in record if name not in ids)
    if missing:
        raise ClaimsError(f"{path.name} has no verdict on {missing}")
    if unknown:
        raise ClaimsError(f"{path.name} has a verdict on {unknown}, and claims.yml no such claim")
    return listed, record


def measured_numbers(root: Path) -> dict[str, Interval]:
    """Return all numbers that the executed notebooks glue, with their intervals."""
    numbers: dict[str, Interval] = {}
    for path in sorted((root / "book" / "executed").glob("[!.]*/index.ipynb")):
        glued = _glued(path)
        for name, value in glued.items():
            ends = (glued.get(f"{name}_{end}", math.nan) for end in ("lower", "upper"))
            numbers[f"{path.parent.name}::{name}"] = Interval(value, *ends)
    return numbers


def _glued(path: Path) -> dict[str, float]:
    found = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            data = output.get("data", {}).items()
            text = "".join(next((lines for kind, lines in data if "text/plain" in kind), ""))
            if name and re.fullmatch(r"[-+.\deinfa]+", text):
                found[name.rpartition("/")[2]] = float(text)
    return found


def other_readings(root: Path) -> pd.DataFrame:
    """Return the measurements of the notebook on assumptions; see its table."""
    folder = root / "book" / "executed" / "assumptions"
    return pd.read_csv(folder / "data" / "assumptions.csv")


def disagreements(
    listed: Sequence[Claim],
    record: Mapping[str, Recorded],
    numbers: Mapping[str, Interval],
    readings: pd.DataFrame,
) -> list[str]:
    """Return one line for each claim that cannot be judged or whose verdict has changed."""
    found = []
    for claim in listed:
        wanted = {item.number for item in claim.measured}
        missing = sorted(wanted - numbers.keys())
        broken = sorted(name for name in wanted & numbers.keys() if not _is_sound(numbers[name]))
        recorded = record[claim.id].verdict
        if missing:
            found.append(f"{claim.id}: no executed notebook has {', '.join(missing)}")
        elif broken:
            found.append(f"{claim.id}: {', '.join(broken)} is no number within its interval")
        elif (verdict := claim.judge(numbers)) != recorded:
            found.append(f"{claim.id}: recorded as {recorded!r}, measured as {verdict!r}")
        if not _accepts_what_is_printed(claim):
            found.append(f"{claim.id}: the paper's {claim.paper!r} would not be accepted")
    ids = {claim.id for claim in listed}
    ours = readings[readings.claim.isin(ids) & (readings.reading == readings.reading.iloc[0])]
    for row in ours.itertuples():
        here = row.value, row.lower, row.upper
        if not np.array_equal(here, numbers.get(row.number, ()), equal_nan=True):
            other = f"{row.number} is another number where readings are compared"
            found.append(f"{row.claim}: {other}")
    return found


def _is_sound(found: Interval) -> bool:
    """Tell whether a number is finite and inside its interval, if it has one."""
    is_inside = math.isnan(found.lower) or found.lower <= found.value <= found.upper
    return math.isfinite(found.value) and is_inside


def _accepts_what_is_printed(claim: Claim) -> bool:
    """Tell whether the paper's own number would be accepted; True if it is not a plain number."""
    item = claim.measured[0]
    if item.accept is None or not (item.accept[0] == item.accept[1] or "around" in claim.paper):
        return True
    plain = re.fullmatch(r"(?:around )?(-?[\d.,]+)(?: × 10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))?(?: .*)?", claim.paper)
    if plain is None:
        return True
    power = int(plain[2].translate(_DIGITS)) if plain[2] else 0
    printed = float(plain[1].replace(",", "")) * 10.0**power
    return item.accepts(Interval(printed, printed, printed))


def summary_line(listed: Iterable[Claim], verdicts: Mapping[str, str]) -> str:
    """Return a summary of the scorecard; ``verdicts`` are by the claims' ids."""
    is_input = {claim.id: _is_input(claim) for claim in listed}
    others = [verdicts[name] for name, goes_in in is_input.items() if not goes_in]
    good, partly, bad, vague = (others.count(verdict) for verdict in VERDICTS)
    return (
        f"Of the paper's {len(others)} claims {good} are reproduced, {partly} partly and {bad} not;"
        f" {vague} are not stated precisely enough to be judged. Not counted among them are"
        f" {sum(is_input.values())} numbers that go in as printed."
    )


def _is_input(claim: Claim) -> bool:
    """Tell whether a claim only states an input value."""
    return all("::input_" in item.number and item.accept is not None for item in claim.measured)


def in_print(item: Measurement, found: Interval) -> str:
    """Return a number with its unit and its confidence interval, if any."""
    is_certain = math.isnan(found.lower)
    value, lower, upper = (_print(item, end, item.digits, pad=not is_certain) for end in found)
    return f"{value if is_certain else f'{value} [{lower}, {upper}]'}{_unit(item)}"


def accepted_in_print(item: Measurement) -> str:
    """Return the accepted interval in words, or an empty string if there is none."""
    if item.accept is None:
        return ""
    low, high = item.accept
    lower, upper = (_print(item, end, 6) for end in item.accept)
    if low == high:
        return f"{lower}{_unit(item)}"
    if math.isinf(low):
        return f"at most {upper}{_unit(item)}"
    return f"{f'at least {lower}' if math.isinf(high) else f'{lower} to {upper}'}{_unit(item)}"


def _unit(item: Measurement) -> str:
    unit = "%" if item.share else item.unit
    return f"\u00a0{unit}" if unit else ""


def _print(item: Measurement, value: float, digits: int, pad: bool = False) -> str:
    """Return a value in its unit, such as 1.9 × 10⁻¹³; ``pad`` keeps trailing zeros, as in 1.00."""
    value = 100.0 * value if item.share else value
    text = f"{value:{'#' if pad and value else ''}.{digits}g}".rstrip(".")
    mantissa, e, power = text.replace("-", "−").partition("e")
    if not e:
        return mantissa
    raised = str(int(power.replace("−", "-"))).translate(_SUPERSCRIPTS)
    return f"{mantissa}\u00a0×\u00a010{raised}"


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def _readme(root: Path, line: str) -> tuple[str, str]:
    """Return the README's text as it is, and as it should be with the summary line."""
    text = (root / "README.md").read_text("utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return text, f"{before}{MARKS[0]}\n{line}\n{MARKS[1]}{after}"


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m reproduction.verdicts", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=("check", "accept"))
    command = parser.parse_args(arguments).command
    root = root or Path(__file__).parent.parent
    try:
        listed, record = read_lists(root)
        line = summary_line(listed, {name: each.verdict for name, each in record.items()})
        text, right = _readme(root, line)
        if command == "accept":
            (root / "README.md").write_text(right, "utf-8")
            return 0
        numbers = measured_numbers(root)
        wrong = disagreements(listed, record, numbers, other_readings(root))
    except (OSError, ValueError) as error:
        print(" ".join(str(error).split())[:300], file=sys.stderr)
        return 1
    if text != right:
        wrong.append("README.md does not hold this sentence: run `make accept`")
    for claim in listed:
        known = [item for item in claim.measured if item.number in numbers]
        ours = "; ".join(in_print(item, numbers[item.number]) for item in known)
        sign = SIGNS[claim.judge(numbers)] if len(known) == len(claim.measured) else "?"
        print(f"{sign} {claim.id:30s} {claim.paper or '–':24s} {ours}")
    print(f"\n{line}")
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
