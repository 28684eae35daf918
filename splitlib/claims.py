"""The paper's claims: read from a list, and judged by measured numbers.

The list is a YAML file beside its JSON schema; the book's is ``book/claims.yml``, whose first lines
say what its fields mean. A claim is *reproduced* if each of its numbers lies in the interval that
was accepted beforehand, *partly* if some do, and *not reproduced* if none does. A claim that no
number could contradict is *not stated precisely enough*. Needs what
``pip install splitlib[claims]`` brings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from splitlib.statistics import Interval

VERDICTS = ("reproduced", "partly", "not reproduced", "not stated precisely enough")

#: Share of an accepted limit by which rounding may miss it.
_ROUNDING = 1e-9


class ClaimsError(ValueError):
    """The list of claims is not as its schema wants it."""


@dataclass(frozen=True)
class Measurement:
    """One number by which a claim is judged.

    Attributes
    ----------
    number : str
        ``<notebook>::<glued number>``.
    label, unit : str
        What it is.
    digits : int
        Significant digits to show.
    accept : tuple of float or None
        The ends of the interval that the number must lie in, both included; None if any would do.
    tolerance : str
        Where these ends come from.
    whole : bool
        Whether the whole confidence interval must lie between them, rather than the number alone.
    """

    number: str
    label: str = ""
    unit: str = ""
    digits: int = 3
    accept: tuple[float, float] | None = None
    tolerance: str = ""
    whole: bool = False

    @property
    def notebook(self) -> str:
        """Name of the notebook that measures the number."""
        return self.number.partition("::")[0]

    def accepts(self, found: Interval) -> bool:
        """Tell whether a number, or its whole interval, lies in the accepted one."""
        if self.accept is None:
            raise ValueError(f"accept must be given to judge {self.number}, got None")
        return all(self._allows(end) for end in (found if self.whole else found[:1]))

    def _allows(self, value: float) -> bool:
        """Tell whether a finite value lies in the accepted interval, but for rounding."""
        low, high = self.accept or (-math.inf, math.inf)
        slack = [_ROUNDING * abs(end) if math.isfinite(end) else 0.0 for end in (low, high)]
        return math.isfinite(value) and low - slack[0] <= value <= high + slack[1]

    def is_firm(self, found: Interval) -> bool:
        """Tell whether the whole confidence interval speaks as its middle does."""
        ends = [end for end in found if not math.isnan(end)]
        return len({self._allows(end) for end in ends}) == 1


@dataclass(frozen=True)
class Claim:
    """A sentence, number or figure of the paper; see the module's text.

    Attributes
    ----------
    id, where, says : str
        Name, place in the paper, and what it says in our words.
    measured : tuple of Measurement
        At least one.
    verdict : str
        The one that is on record; one of `VERDICTS`.
    paper, figure, because : str
        The paper's number, the label of the figure that shows ours, and why the verdict is not
        "reproduced"; empty where there is none.
    """

    id: str
    where: str
    says: str
    measured: tuple[Measurement, ...]
    verdict: str
    paper: str = ""
    figure: str = ""
    because: str = ""

    def judge(self, numbers: Mapping[str, Interval]) -> str:
        """Return the verdict that measured numbers give.

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


def load(path: str | Path) -> list[Claim]:
    """Read a list of claims, and check it against ``claims.schema.json`` beside it.

    Parameters
    ----------
    path : path
        Of the YAML file.

    Returns
    -------
    list of Claim
        In the order of the file.

    Raises
    ------
    FileNotFoundError
        If the list or its schema is not there.
    ClaimsError
        With the line and the id of the first claim that the schema, or a second claim of the same
        id, refuses.
    """
    path = Path(path)
    text = path.read_text()
    schema = json.loads(path.with_name("claims.schema.json").read_text())
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        entries = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ClaimsError(f"{path.name}, line {line}: {error.problem}") from None
    for line, key in _repeated_keys(tree):
        raise ClaimsError(f"{path.name}, line {line}: {key!r} stands twice in one entry")
    found = [
        (_line(tree, fault.absolute_path), _name(entries, list(fault.absolute_path)), fault)
        for fault in Draft202012Validator(schema).iter_errors(entries)
    ]
    for line, claim, fault in sorted(found, key=lambda item: item[:2]):
        raise ClaimsError(f"{path.name}, line {line}{claim}: {_reason(fault)}")
    for index, entry in enumerate(entries):
        for place, item in enumerate(entry["measured"]):
            low, high = (_end(item.get("accept", (0, 0)), side) for side in (0, 1))
            if not low <= high:
                line = _line(tree, [index, "measured", place, "accept"])
                raise ClaimsError(
                    f"{path.name}, line {line}, claim {entry['id']!r}: accept must be two ends in"
                    f" order, got {item['accept']}"
                )
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        line = _line(tree, [index])
        first = seen.setdefault(entry["id"], line)
        if first != line:
            raise ClaimsError(
                f"{path.name}, line {line}: the id {entry['id']!r} stands in line {first} already"
            )
    return [_claim(entry) for entry in entries]


def find(name: str = "book/claims.yml") -> Path:
    """Return the nearest file ``name`` in the current folder or above it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} must stand in the current folder or above, got {Path.cwd()}")


def _end(accept: Sequence[float | None], side: int) -> float:
    """Return the lower (0) or upper (1) end of an accepted interval, infinite where it is open."""
    end = accept[side]
    return (-math.inf, math.inf)[side] if end is None else end


def _claim(entry: dict[str, Any]) -> Claim:
    measured = []
    for item in entry["measured"]:
        accept = item.get("accept")
        ends = None if accept is None else (_end(accept, 0), _end(accept, 1))
        measured.append(Measurement(**{**item, "accept": ends}))
    return Claim(**{**entry, "measured": tuple(measured)})


def _reason(error: Any) -> str:
    """Return what a schema's error says, in one line of moderate length."""
    text = " ".join(error.message.split())
    return text if len(text) <= 160 else f"…{text[-159:]}"


def _name(entries: Any, where: list[Any]) -> str:
    """Return the id of the claim that an error lies in, as part of a sentence."""
    if not where or not isinstance(entries[where[0]], dict):
        return ""
    return f", claim {entries[where[0]].get('id', where[0])!r}"


def _line(node: Any, where: Any) -> int:
    """Return the line of the node that a path of keys and indices leads to."""
    for step in where:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == step)
        else:
            node = node.value[step]
    return int(node.start_mark.line) + 1 if node is not None else 1


def _repeated_keys(node: Any) -> Iterator[tuple[int, str]]:
    """Yield line and name of each key that stands twice in a mapping; YAML keeps the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated_keys(value)
