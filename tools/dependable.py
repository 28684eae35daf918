"""Turn the results of ``make torture`` into the tables of the page *How dependable is this?*."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

RESULTS = "book/torture.json"
SURVIVORS = "tests/torture/mutants.yml"
PAGE = "book/dependable"
EQUIVALENT = "cannot be noticed"
UNEXPLAINED = "without a listed reason"


def write_tables(root: Path) -> None:
    """Write the tables that the page includes into ``book/executed``."""
    results = json.loads((root / RESULTS).read_text())
    survivors = yaml.safe_load((root / SURVIVORS).read_text())
    tables = {
        "tried": _tried(results),
        "kills": _kills(results["kills"], results["control"]),
        "control": _control(results["control"]),
        "mutants": _mutants(results["mutants"]),
        "survivors": _survivors(survivors),
    }
    for name, lines in tables.items():
        (root / "book" / "executed" / f"dependable_{name}.md").write_text("\n".join(lines) + "\n")


def _table(heads: str, rows: Iterable[Iterable[object]]) -> list[str]:
    """Return a table in Markdown; heads that begin with a sharp sign are of numbers."""
    names = heads.split(" | ")
    lines = [" | ".join(name.removeprefix("#") for name in names)]
    lines.append(" | ".join("--:" if name.startswith("#") else ":--" for name in names))
    lines += [" | ".join(str(cell) for cell in row) for row in rows]
    return [f"| {line} |" for line in lines]


def _tried(results: Mapping[str, Any]) -> list[str]:
    """Return a row for everything that has no table of its own."""
    others = ("kills", "control", "mutants")
    parts = (rows for part, rows in results.items() if part not in others)
    rows = [row for part in parts for row in part]
    heads = "what was tried | #times | #failed | remark | at commit"
    names = ("what", "trials", "failed", "note")
    return _table(heads, ([*(r[name] for name in names), f"`{r['commit']}`"] for r in rows))


def _kills(ours: Sequence[Mapping[str, Any]], control: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each way to end a run: how often, and how often either has failed."""
    of_control = {row["what"]: _share([row]) for row in control}
    rows = [(row["what"], _share([row]), of_control.get(row["what"], "–")) for row in ours]
    rows.append(("all", _share(ours), _share(control)))
    table = _table(
        "how a run was ended | #this book's runner failed | #plain papermill failed", rows
    )
    return [*table, "", f"Ours at {_commits(ours)}, plain papermill at {_commits(control)}."]


def _share(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of the trials have failed."""
    return f"{sum(row['failed'] for row in rows)} of {sum(row['trials'] for row in rows)}"


def _commits(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return at which commits something was tried."""
    return "commit " + " and ".join(sorted({f"`{row['commit']}`" for row in rows}))


def _control(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return how plain papermill has failed, and how often."""
    ways: Counter[str] = Counter()
    for row in rows:
        ways.update(row["ways"])
    return _table("what plain papermill left behind | #times", ways.most_common())


def _mutants(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a row for each module: how many changes, and how many its tests have noticed."""
    counts = {
        f"`{row['what']}`": (
            row["trials"],
            row["trials"] - row["failed"],
            row["ways"].get(EQUIVALENT, 0),
        )
        for row in rows
    }
    counts["all"] = tuple(sum(each) for each in zip(*counts.values(), strict=True))
    lines = [(name, *numbers, _percent(*numbers[:2])) for name, numbers in counts.items()]
    table = _table(f"module | #changes | #noticed | #{EQUIVALENT} | #noticed (%)", lines)
    return [*table, "", f"Tried at {_commits(rows)}."]


def _percent(trials: int, caught: int) -> str:
    return f"{100 * caught / trials:.1f}"


def _survivors(listed: Mapping[str, Any]) -> list[str]:
    """Return, folded for each module, the changes that no test notices, with the reason."""
    lines = []
    for module, entries in listed.items():
        if entries:
            lines += [f":::{{dropdown}} {module}"]
            for entry in entries:
                changed = ", ".join(f"`{after}`" for after in entry["becomes"])
                lines.append(f"- `{entry['line']}` → {changed}. {entry['why']}")
            lines += [":::", ""]
    return lines
