"""The page on dependability: its tables, and whether what was found is what it claims."""

import json

import pytest
import yaml

from tools import dependable
from tools.fingerprint import ROOT


@pytest.fixture(scope="module")
def found():
    return json.loads((ROOT / dependable.RESULTS).read_text())


@pytest.mark.parametrize(("part", "trials"), [
    ("inputs", 150), ("kills", 140), ("pairs", 30), ("flips", 100), ("numbers", 3), ("suite", 5),
])  # fmt: skip
def test_enough_was_tried_and_nothing_has_failed(found, part, trials):
    rows = found[part]
    assert sum(row["trials"] for row in rows) >= trials
    assert [row for row in rows if row["failed"]] == []


def test_plain_papermill_went_through_as_much(found):
    ours, control = (sum(row["trials"] for row in found[part]) for part in ("kills", "control"))
    assert control >= ours


def test_the_tests_notice_most_changes_of_the_model_and_the_others_are_explained(found):
    trials = sum(row["trials"] for row in found["mutants"])
    assert sum(row["failed"] for row in found["mutants"]) <= 0.05 * trials
    listed = yaml.safe_load((ROOT / dependable.SURVIVORS).read_text())
    # One entry may explain equal changes of equal lines; `mutants` asks for each of them.
    assert all(listed.get(row["what"]) for row in found["mutants"] if row["failed"])


def test_reasons_are_of_lines_that_are_there():
    listed = yaml.safe_load((ROOT / dependable.SURVIVORS).read_text())
    for module, entries in listed.items():
        source = (ROOT / "splitlib" / f"{module}.py").read_text()
        lines = {" ".join(line.split()) for line in source.splitlines()}
        assert {entry["line"] for entry in entries} <= lines, module


def test_tables_show_the_results(tmp_path):
    (tmp_path / "book" / "executed").mkdir(parents=True)
    (tmp_path / "tests" / "torture").mkdir(parents=True)

    def row(what, trials, failed, **ways):
        row = {"what": what, "trials": trials, "failed": failed, "ways": ways, "note": ""}
        return row | {"commit": "abc"}

    results = {
        "flips": [row("flipped bits", 100, 0)],
        "kills": [row("SIGTERM", 30, 0), row("SIGKILL", 10, 1, orphan=1)],
        "control": [row("SIGTERM", 30, 7, lost=7), row("full disk", 10, 5, lost=2, orphan=4)],
        "mutants": [row("kernel", 200, 4, **{dependable.EQUIVALENT: 1}), row("zoo", 100, 0)],
    }  # fmt: skip
    survivors = {"kernel": [{"line": "a | b", "becomes": ["a & b"], "why": "Equal on bits."}]}
    (tmp_path / dependable.RESULTS).write_text(json.dumps(results))
    (tmp_path / dependable.SURVIVORS).write_text(yaml.safe_dump(survivors))
    dependable.write_tables(tmp_path)
    tables = {
        path.stem.removeprefix("dependable_"): path.read_text().splitlines()[
            2 if "survivors" not in path.stem else 1 :
        ]
        for path in (tmp_path / "book" / "executed").glob("*.md")
    }
    assert tables == {
        "tried": ["| flipped bits | 100 | 0 |  | `abc` |"],
        "kills": [
            "| SIGTERM | 0 of 30 | 7 of 30 |",
            "| SIGKILL | 1 of 10 | – |",
            "| all | 1 of 40 | 12 of 40 |",
            "",
            "Ours at commit `abc`, plain papermill at commit `abc`.",
        ],
        "control": ["| lost | 9 |", "| orphan | 4 |"],
        "mutants": [
            "| `kernel` | 200 | 196 | 1 | 98.0 |",
            "| `zoo` | 100 | 100 | 0 | 100.0 |",
            "| all | 300 | 296 | 1 | 98.7 |",
            "",
            "Tried at commit `abc`.",
        ],
        "survivors": ["- `a | b` → `a & b`. Equal on bits.", ":::", ""],
    }
