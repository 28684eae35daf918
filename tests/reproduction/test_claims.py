"""The list of claims: what it must look like, how it is judged, and that no wrong number passes."""

import dataclasses
import math
import re
import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import splitlib as sl
from splitlib.claims import VERDICTS, Claim, ClaimsError, Measurement, load
from splitlib.statistics import Interval
from tools import claims
from tools.fingerprint import ROOT

LIST = ROOT / "book" / "claims.yml"
GOOD = """\
- id: one
  where: "Sec. IV"
  says: "A sentence of the paper."
  measured:
    - number: fig::x
      accept: [1, 2]
      tolerance: "printed exactly"
  verdict: reproduced
"""


@cache
def numbers():
    """Return what the executed notebooks measured."""
    found = claims.measured(ROOT)
    if not found:
        pytest.fail("no notebook has been executed: run `make figures` first", pytrace=False)
    return found


@cache
def judged_claims():
    """Return the book's list of claims."""
    return load(LIST)


@cache
def other_readings():
    """Return what the executed notebooks measured under other readings; nobody changes it."""
    return claims.other_readings(ROOT)


def write(folder, text):
    """Write a list of claims beside the schema; return its path."""
    shutil.copy(LIST.with_name("claims.schema.json"), folder)
    (folder / "claims.yml").write_text(text)
    return folder / "claims.yml"


def test_a_good_list_is_read(tmp_path):
    (claim,) = load(write(tmp_path, GOOD))
    assert claim.measured == (Measurement("fig::x", accept=(1, 2), tolerance="printed exactly"),)
    half = load(write(tmp_path, GOOD.replace("[1, 2]", "[null, 2]")))
    assert half[0].measured[0].accept == (-math.inf, 2)


NUMBER = GOOD[GOOD.index("    - number") : GOOD.index("  verdict")]
ENDS = "accept must be two ends in order"


@pytest.mark.parametrize(("old", "new", "message"), [
    (NUMBER, "", "line 4, claim 'one': .*"),
    (f"  measured:\n{NUMBER}", "", "line 1, claim 'one': 'measured' is a required property"),
    ("  verdict: reproduced\n", "", "line 1, claim 'one': 'verdict' is a required property"),
    ("verdict: reproduced", "verdict: perhaps", "line 8, claim 'one': 'perhaps' is not one of"),
    ("verdict: reproduced", "verdict: partly", "line 1, claim 'one': 'because' is a required pro"),
    ("accept: [1, 2]", "accept: [1, 1e400]", "line 6, claim 'one': '1e400' is not of type"),
    ("accept: [1, 2]", "accept: [1e-9, 2]", "line 6, claim 'one': '1e-9' is not of type 'number'"),
    ("accept: [1, 2]", "accept: [no, 2]", "line 6, claim 'one': False is not of type 'number'"),
    ("accept: [1, 2]", "accept: [.nan, 2]", f"line 6, claim 'one': {ENDS}"),
    ("accept: [1, 2]", "accept: [2, 1]", f"line 6, claim 'one': {ENDS}"),
    ("accept: [1, 2]", "accept: [1]", r"line 6, claim 'one': \[1\] is too short"),
    ("accept: [1, 2]", "accept: [null, null]", "line 6, claim 'one': .* should not be valid"),
    ("      tolerance: \"printed exactly\"\n", "", "line 5, claim 'one': 'tolerance' is a depend"),
    ("number: fig::x", "number: fig.x", "line 5, claim 'one': 'fig.x' does not match"),
    ("where:", "were:", "line 1, claim 'one': 'where' is a required property|'were' was unexpec"),
    ("  where:", "  where: V\n  where:", "line 3: 'where' stands twice in one entry"),
    ("where: \"Sec. IV\"", "where: Sec. XI", "line 2, claim 'one': 'Sec. XI' does not match"),
    ("id: one", "id: One!", "line 1, claim 'One!': 'One!' does not match"),
    ("says: \"A sentence of the paper.\"", "says: 3", "line 3, claim 'one': 3 is not of type 'str"),
    ("  says:", "  says: [", "line 4: expected"),
    ("- id: one", "id: one", "line 2: |line 1: "),
])  # fmt: skip
def test_a_fault_is_named_with_its_line_and_claim(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ClaimsError, match=rf"^claims\.yml, (?:{message})") as fault:
        load(write(tmp_path, GOOD.replace(old, new, 1)))
    assert "\n" not in str(fault.value)


def test_the_line_is_that_of_the_claim_at_fault(tmp_path):
    second = GOOD.replace("id: one", "id: two").replace("  verdict: reproduced\n", "")
    with pytest.raises(ClaimsError, match="line 9, claim 'two': 'verdict' is a required"):
        load(write(tmp_path, GOOD + second))
    with pytest.raises(ClaimsError, match="line 9: the id 'one' stands in line 1 already"):
        load(write(tmp_path, GOOD + GOOD))


@pytest.mark.parametrize(("values", "verdict"), [
    ((1.0, 5.0), "reproduced"), ((1.0, 9.0), "partly"), ((3.0, 9.0), "not reproduced"),
    ((math.nan, math.nan), "not reproduced"), ((2.0 * (1 + 1e-12), 4.0), "reproduced"),
    ((2.0 * (1 + 1e-6), 9.0), "not reproduced"),
])  # fmt: skip
def test_a_claim_is_judged_by_its_numbers(values, verdict):
    items = (
        Measurement("a::x", accept=(1, 2), tolerance="t"),
        Measurement("a::y", accept=(4, 6), tolerance="t"),
        Measurement("a::z"),
    )
    claim = Claim("c", "Sec. IV", "Says something.", items, "reproduced")
    found = dict(zip(("a::x", "a::y"), map(exact, values), strict=True)) | {"a::z": exact(0)}
    assert claim.judge(found) == verdict
    vague = dataclasses.replace(claim, measured=items[2:])
    assert vague.judge(found) == "not stated precisely enough"
    with pytest.raises(KeyError, match="a::z"):
        vague.judge({})


def test_the_whole_interval_counts_where_it_is_asked_for():
    item = Measurement("a::x", accept=(0, math.inf), tolerance="t", whole=True)
    assert item.accepts(Interval(1.0, 0.5, 1.5))
    assert not item.accepts(Interval(1.0, -0.5, 2.5))
    assert not item.accepts(exact(1.0)), "no interval"
    assert dataclasses.replace(item, whole=False).accepts(Interval(1.0, -0.5, 2.5))


def test_a_verdict_is_firm_if_the_whole_interval_agrees():
    item = Measurement("a::x", accept=(1, 2), tolerance="t")
    assert item.is_firm(Interval(1.5, 1.4, 1.6))
    assert item.is_firm(Interval(3.0, 2.5, 3.5))
    assert item.is_firm(exact(1.5))
    assert not item.is_firm(Interval(1.9, 1.7, 2.1))


def exact(value):
    return Interval(value, math.nan, math.nan)


def test_the_list_is_found_from_below(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    write(tmp_path / "book", GOOD)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert sl.claims.find() == tmp_path / "book" / "claims.yml"
    with pytest.raises(FileNotFoundError, match=r"nowhere.yml must stand in the current folder"):
        sl.claims.find("nowhere.yml")


# The book's own list, judged by the executed notebooks.


def test_all_recorded_verdicts_are_those_of_the_numbers():
    assert not claims.faults(judged_claims(), numbers(), other_readings())


def test_every_part_of_the_paper_is_there():
    judged = judged_claims()
    assert len(judged) > 60
    for place in ("Abstract", "Sec. II-A", "Sec. II-C", "Sec. III", "Fig. 1", "Fig. 2a", "Fig. 2b",
                  "Fig. 3", "Sec. V"):  # fmt: skip
        assert any(place in claim.where for claim in judged), place
    assert {claim.verdict for claim in judged} == set(VERDICTS)


def outside(item):
    """Return a number that a measurement does not accept."""
    low, high = item.accept
    return high + 1 if high < math.inf else low - 1


@pytest.mark.parametrize("claim", [c for c in judged_claims() if c.verdict == "reproduced"],
                         ids=lambda claim: claim.id)  # fmt: skip
def test_a_flipped_number_of_any_claim_is_seen(claim):
    for item in claim.measured:
        if item.accept is not None:
            value = outside(item)
            flipped = numbers() | {item.number: Interval(value, value, value)}
            found = claims.faults([claim], flipped, readings_of(claim))
            assert any(f"{claim.id}: recorded as 'reproduced'" in line for line in found)


@pytest.mark.parametrize("claim", [c for c in judged_claims() if c.verdict != "reproduced"],
                         ids=lambda claim: claim.id)  # fmt: skip
def test_an_upgraded_verdict_of_any_claim_is_seen(claim):
    better = dataclasses.replace(claim, verdict="reproduced")
    found = claims.faults([better], numbers(), readings_of(claim))
    assert f"{claim.id}: recorded as 'reproduced', measured as {claim.verdict!r}" in found


def readings_of(claim):
    readings = other_readings()
    return readings[(readings.claim == claim.id) | (readings.claim == readings.claim[0])]


def test_a_missing_number_and_a_different_default_are_seen():
    judged, readings = judged_claims(), other_readings()
    gone = {name: value for name, value in numbers().items() if "conv" not in name}
    line = claims.faults(judged[:1], gone, readings)[0]
    assert line == (
        "instantaneous-observations: no executed notebook has convergence::causality_changes"
    )
    row = readings.index[readings.number == "fig2_energy_delay::saving_alpha_1"][0]
    for column in ("value", "lower", "upper"):
        moved = readings.copy()
        moved.loc[row, column] *= 1 + 1e-12
        assert any("is not that of its own notebook" in f for f in faults_of(judged, moved))
    for other in (row, readings.index[-1]):
        anew = readings.copy()
        anew.loc[other, "verdict"] = "not stated precisely enough"
        assert any("verdict is not that of its numbers" in f for f in faults_of(judged, anew))
    fewer = readings.drop(readings.index[readings.reading == readings.reading.iloc[-1]][:1])
    assert any("under some readings only" in f or "are not those of the claim" in f
               for f in faults_of(judged, fewer))  # fmt: skip


@pytest.mark.parametrize("broken", [
    Interval(math.inf, math.nan, math.nan), Interval(math.nan, math.nan, math.nan),
    Interval(94.4, 95.0, 96.0), Interval(94.4, 94.5, 94.3),
])  # fmt: skip
def test_a_number_that_is_none_is_seen(broken):
    name = "fig2_energy_delay::saving_alpha_1"
    lines = claims.faults(judged_claims(), numbers() | {name: broken}, other_readings())
    assert any(f"{name} is no number within its interval" in line for line in lines)


@pytest.mark.parametrize(("printed", "accept", "seen"), [
    ("50 m", "[50, 50]", False), ("500 m", "[50, 50]", True), ("> 10 %", "[10, null]", False),
    ("2 × 10⁵ slots", "[2.0e+5, 2.0e+5]", False), ("2 × 10⁴ slots", "[2.0e+5, 2.0e+5]", True),
    ("around 85 %", "[84.5, 85.5]", False), ("around 58 %", "[84.5, 85.5]", True),
    ("always", "[1, 1]", False),
])  # fmt: skip
def test_the_papers_own_number_must_be_acceptable(tmp_path, printed, accept, seen):
    text = GOOD.replace("[1, 2]", accept).replace("  measured", f'  paper: "{printed}"\n  measured')
    (claim,) = load(write(tmp_path, text))
    assert bool(claims._printed_otherwise(claim)) == seen


def test_stale_notebooks_and_unknown_figures_are_seen(tmp_path):
    judged = judged_claims()
    assert not claims._project_faults(judged, ROOT)
    lost = dataclasses.replace(judged[0], figure="figure-99")
    assert claims._project_faults([lost], ROOT) == [
        f"{lost.id}: no notebook has the label 'figure-99'"
    ]
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "fig1_layer_costs.ipynb", tmp_path / "notebooks")
    # Other tests compile at the same time, and Numba renames files in its cache.
    no_cache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "splitlib", tmp_path / "splitlib", ignore=no_cache)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    assert claims._project_faults([], tmp_path) == ["fig1_layer_costs: it has not been run"]


def faults_of(judged, readings):
    return claims.faults(judged, numbers(), readings)


def project(folder):
    """Return a copy of what the claims are judged by."""
    (folder / "book" / "executed" / "data").mkdir(parents=True)
    for name in ("README.md", "book/claims.yml", "book/claims.schema.json"):
        shutil.copy(ROOT / name, folder / name)
    for path in (ROOT / "book" / "executed").glob("*.ipynb"):
        shutil.copy(path, folder / "book" / "executed")
    data = Path("book/executed/data/assumptions.csv")
    shutil.copy(ROOT / data, folder / data)
    return folder


def test_the_command_passes_and_fails_with_the_claim(tmp_path, capsys):
    root = project(tmp_path)
    assert claims.main(["check"], root) == 0
    assert "claims" in capsys.readouterr().out
    text = (root / "book" / "claims.yml").read_text()
    flipped = text.replace("accept: [20, 20]", "accept: [21, 21]")
    assert flipped != text
    (root / "book" / "claims.yml").write_text(flipped)
    assert claims.main(["check"], root) == 1
    complaint = capsys.readouterr().err
    assert "splitting-points: recorded as 'reproduced', measured as 'not reproduced'" in complaint
    unmeasured = "\n- id: new\n  where: Sec. IV\n  says: A new sentence.\n  verdict: reproduced\n"
    (root / "book" / "claims.yml").write_text(text + unmeasured)
    assert claims.main(["check"], root) == 1
    assert "claim 'new': 'measured' is a required property" in capsys.readouterr().err
    (root / "book" / "claims.yml").write_text(text)
    readme = (root / "README.md").read_text()
    (root / "README.md").write_text(readme.replace("are reproduced", "are proved"))
    assert claims.main(["check"], root) == 1
    assert "README.md does not hold this sentence" in capsys.readouterr().err
    assert claims.main(["accept"], root) == 0
    assert (root / "README.md").read_text() == readme
    assert claims.main(["check"], root) == 0


def test_the_pages_hold_every_claim(tmp_path):
    root = project(tmp_path)
    claims.write_pages(root)
    executed = root / "book" / "executed"
    score, details = (executed / name for name in ("scorecard.md", "claims.md"))
    for claim in judged_claims():
        assert f"](#claim-{claim.id})" in score.read_text()
        assert f"(claim-{claim.id})=" in details.read_text()
    assert (executed / "scorecard-summary.md").read_text().strip() in score.read_text()
    before = score.stat().st_mtime_ns
    claims.write_pages(root)
    assert score.stat().st_mtime_ns == before, "an unchanged page makes the book stale"


def test_a_summary_counts_what_is_measured_whatever_is_recorded(tmp_path):
    root = project(tmp_path)
    claims.write_pages(root)
    summary = root / "book" / "executed" / "scorecard-summary.md"
    before = summary.read_text()
    listed = root / "book" / "claims.yml"
    text = listed.read_text()
    assert "verdict: not reproduced" in text
    listed.write_text(text.replace("verdict: not reproduced", "verdict: reproduced"))
    claims.write_pages(root)
    assert summary.read_text() == before


BOARDS = ("host.flops_per_second", "device.flops_per_second", "device.a", "device.b",
          "device.a_prime")  # fmt: skip
FIELDS = ("distance", "carrier_frequency", "bandwidth", "noise_psd", "p_min", "p_max", "d_avg",
          "arrival_rate", "d_max", "epsilon", "path_loss_exponent")  # fmt: skip


@pytest.mark.parametrize("factor", [0.99, 1.01])
@pytest.mark.parametrize("name", [*FIELDS, *BOARDS])
def test_one_per_cent_of_any_constant_is_caught_by_a_claim(name, factor):
    """What no claim of the paper can hold, E|h|^2 = 1, is held by test_scenario."""
    scenario = sl.Scenario()
    board, _, field = name.rpartition(".")
    owner = getattr(scenario, board) if board else scenario
    changed = dataclasses.replace(owner, **{field: getattr(owner, field) * factor})
    changed = dataclasses.replace(scenario, **{board: changed}) if board else changed
    found = sl.measures.of_inputs(changed)
    moved = numbers() | {f"fig2_energy_delay::{key}": value for key, value in found.items()}
    assert len(claims.faults(judged_claims(), moved, other_readings())) == 1


def test_the_table_of_constants_says_who_catches_them():
    table = pd.read_csv(ROOT / "book/executed/data/assumptions_constants.csv", index_col=0)
    assert set(table.index) >= {*FIELDS}
    silent = table.index[table["caught by the claim"].isna()].tolist()
    assert silent == ["fading_power"]


def test_each_claim_is_three_clicks_from_its_number_and_figure():
    details = (ROOT / "book" / "executed" / "claims.md").read_text()
    for claim in judged_claims():
        start = details.index(f"(claim-{claim.id})=")
        text = details[start : details.find("\n(claim-", start + 1)]
        notebooks = set(re.findall(r"\]\(\./(\w+)\.ipynb\)", text))
        assert notebooks == {item.notebook for item in claim.measured}, claim.id
        if claim.figure:
            assert f"(#{claim.figure})" in text


@pytest.mark.parametrize(("item", "found", "shown", "accepted"), [
    (Measurement("a::x", "share of runs", accept=(0.025, 0.975)), Interval(0.7, 0.5, 0.9),
     "70.0 [50.0, 90.0]\u00a0%", "2.5 to 97.5\u00a0%"),
    (Measurement("a::x", "gain", "points", 2, (0, math.inf)), Interval(5.0, -4.0, 6.0),
     "5.0 [−4.0, 6.0]\u00a0points", "at least 0\u00a0points"),
    (Measurement("a::x", "residual", "", 2, (0, 1e-9)), exact(1.9e-13),
     "1.9\u00a0×\u00a010⁻¹³", "0 to 1\u00a0×\u00a010⁻⁹"),
    (Measurement("a::x", "count", "slots", 6, (200000, 200000)), exact(200000),
     "200000\u00a0slots", "200000\u00a0slots"),
    (Measurement("a::x", "ratio", "", 5, (-math.inf, 1.001)), exact(1.0002), "1.0002",
     "at most 1.001"),
])  # fmt: skip
def test_numbers_and_limits_are_shown_in_one_unit(item, found, shown, accepted):
    assert claims._show(item, found) == shown
    assert claims._accepted(item) == accepted
