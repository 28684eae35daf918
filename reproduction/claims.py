"""The paper's claims, with the limits that the measured numbers must keep.

The claims are in ``claims.yml`` beside this module; its first lines explain the fields. A claim is
*reproduced* if all of its numbers are in the intervals fixed beforehand, *partly* if some are, and
*not reproduced* if none is. A claim that no number could contradict is *not stated precisely
enough*.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from splitlib import Interval

VERDICTS = ("reproduced", "partly", "not reproduced", "not stated precisely enough")
CLAIMS_FILE = Path(__file__).with_suffix(".yml")

#: Share of an accepted limit by which rounding may miss it.
_ROUNDING = 1e-9


class ClaimsError(ValueError):
    """The list of claims or of verdicts violates its schema."""


@dataclass(frozen=True)
class Measurement:
    """One number by which a claim is judged.

    Attributes
    ----------
    number : str
        ``<notebook>::<glued number>``.
    label, unit : str
        Description and unit.
    share : bool
        Whether it is a share of 1, shown in per cent.
    digits : int
        Significant digits to show.
    accept : tuple of float or None
        Ends of the accepted interval, both included; None if any number is accepted.
    tolerance : str
        Reason for these ends.
    whole : bool
        Whether the whole confidence interval must be in it, rather than the number alone.
    """

    number: str
    label: str = ""
    unit: str = ""
    digits: int = 3
    accept: tuple[float, float] | None = None
    tolerance: str = ""
    whole: bool = False
    share: bool = False

    @property
    def notebook(self) -> str:
        """Name of the notebook that measures the number."""
        return self.number.partition("::")[0]

    def accepts(self, found: Interval) -> bool:
        """Tell whether a number, or its whole interval, is in the accepted interval."""
        return all(self._allows(end) for end in (found if self.whole else found[:1]))

    def _allows(self, value: float) -> bool:
        """Tell whether a value is finite and in the accepted interval, up to rounding."""
        low, high = self.accept or (-math.inf, math.inf)
        slack = [_ROUNDING * abs(end) if math.isfinite(end) else 0.0 for end in (low, high)]
        return math.isfinite(value) and low - slack[0] <= value <= high + slack[1]

    def is_firm(self, found: Interval) -> bool:
        """Tell whether the ends of the confidence interval are judged like the number itself."""
        ends = [end for end in found if not math.isnan(end)]
        return len({self._allows(end) for end in ends}) == 1


@dataclass(frozen=True)
class Claim:
    """A sentence, number or figure of the paper; see the module docstring.

    Attributes
    ----------
    id, where, says : str
        Name, place in the paper, and statement in our words.
    measured : tuple of Measurement
        At least one.
    paper, figure : str
        The paper's number, and the label of the figure that shows ours; empty if there is none.
    """

    id: str
    where: str
    says: str
    measured: tuple[Measurement, ...]
    paper: str = ""
    figure: str = ""

    def judge(self, numbers: Mapping[str, Interval]) -> str:
        """Return the verdict based on measured numbers.

        Parameters
        ----------
        numbers : mapping of str to Interval
            By ``<notebook>::<glued number>``.

        Returns
        -------
        str
            One of `VERDICTS`.

        Raises
        ------
        KeyError
            If a number is missing.
        """
        found = [(item, numbers[item.number]) for item in self.measured]
        kept = [item.accepts(number) for item, number in found if item.accept is not None]
        if not kept:
            return "not stated precisely enough"
        if all(kept):
            return "reproduced"
        return "partly" if any(kept) else "not reproduced"


def load(path: Path = CLAIMS_FILE) -> list[Claim]:
    """Read a list of claims.

    Parameters
    ----------
    path : Path
        By default the list beside this module.

    Returns
    -------
    list of Claim
        In the order of the file.

    Raises
    ------
    FileNotFoundError
        If the list or its schema is missing.
    ClaimsError
        With line and id of the first claim that violates the schema.
    """
    return [
        Claim(id=name, **{**entry, "measured": tuple(map(_measurement, entry["measured"]))})
        for name, entry in read_entries(path).items()
    ]


def _measurement(item: Mapping[str, Any]) -> Measurement:
    if "accept" not in item:
        return Measurement(**item)
    low, high = item["accept"]
    ends = -math.inf if low is None else low, math.inf if high is None else high
    if not ends[0] <= ends[1]:
        raise ClaimsError(
            f"{item['number']}: accept must be two ends in order, got {item['accept']}"
        )
    return Measurement(**{**item, "accept": ends})


def read_entries(path: Path) -> dict[str, Any]:
    """Read entries by id, and check them against their schema.

    Parameters
    ----------
    path : Path
        Of a YAML file; its schema is beside it, with the ending ``.schema.json``.

    Returns
    -------
    dict
        Entry by id.

    Raises
    ------
    FileNotFoundError, ClaimsError
        As in `load`.
    """
    text = path.read_text()
    schema = json.loads(path.with_suffix(".schema.json").read_text())
    try:
        entries, tree = yaml.load(text, _UniqueKeys), yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ClaimsError(f"{path.name}, line {line}: {error.problem}") from None
    faults = Draft202012Validator(schema).iter_errors(entries)
    found = [(_line(tree, list(fault.absolute_path)), fault) for fault in faults]
    for line, fault in sorted(found, key=lambda each: each[0]):
        claim = f", claim {fault.absolute_path[0]!r}" if fault.absolute_path else ""
        reason = " ".join(fault.message.split())
        reason = reason if len(reason) <= 160 else f"…{reason[-159:]}"
        raise ClaimsError(f"{path.name}, line {line}{claim}: {reason}")
    return dict(entries)


class _UniqueKeys(yaml.SafeLoader):
    """Rejects duplicate keys in a mapping, of which YAML would silently keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{key.value!r} is given twice in one entry"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _line(node: Any, where: list[Any]) -> int:
    """Return the line at a path of keys and indices."""
    mark = node.start_mark if node else None
    for step in where:
        if isinstance(node, yaml.MappingNode):
            key, node = next(pair for pair in node.value if pair[0].value == step)
            mark = key.start_mark
        else:
            node = node.value[step]
            mark = node.start_mark
    return mark.line + 1 if mark else 1
