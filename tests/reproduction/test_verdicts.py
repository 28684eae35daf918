"""The recorded verdicts against the numbers of the executed notebooks: no wrong number passes."""

import dataclasses
import math
import re
import shutil
from functools import cache

import pandas as pd
import pytest

import splitlib as sl
from reproduction import measures, scorecard, verdicts
from reproduction.claims import VERDICTS, Claim, ClaimsError, Measurement
from reproduction.measures import certain
from reproduction.verdicts import Recorded, disagreements
from splitlib import Interval
from tools.fingerprint import ROOT

CLAIMS, RECORD = verdicts.read_lists(ROOT)


@cache
def numbers():
    """Return the numbers of the executed notebooks."""
    found = verdicts.measured_numbers(ROOT)
    if not found:
        pytest.fail("no notebook has been executed: run `make figures` first", pytrace=False)
    return found


@cache
def other_readings():
    """Return the numbers under other readings; callers must not modify them."""
    return verdicts.other_readings(ROOT)


def faults(listed=CLAIMS, record=RECORD, found=None, readings=None):
    """Return the disagreements, by default with nothing changed."""
    readings = other_readings() if readings is None else readings
    return disagreements(listed, record, found or numbers(), readings)


def test_recorded_verdicts_agree_with_the_numbers():
    assert not faults()


def test_every_part_of_the_paper_has_claims():
    assert len(CLAIMS) > 60
    for place in ("Abstract", "Sec. II-A", "Sec. II-C", "Sec. III", "Fig. 1", "Fig. 2a", "Fig. 2b",
                  "Fig. 3", "Sec. V"):  # fmt: skip
        assert any(place in claim.where for claim in CLAIMS), place
    assert {recorded.verdict for recorded in RECORD.values()} == set(VERDICTS)


@pytest.mark.parametrize("claim", [c for c in CLAIMS if RECORD[c.id].verdict == "reproduced"],
                         ids=lambda claim: claim.id)  # fmt: skip
def test_a_wrong_number_of_any_claim_is_detected(claim):
    for item in claim.measured:
        if item.accept is not None:
            low, high = item.accept
            flipped = numbers() | {item.number: certain(high + 1 if high < math.inf else low - 1)}
            found = faults([claim], found=flipped)
            assert any(f"{claim.id}: recorded as 'reproduced'" in line for line in found)


@pytest.mark.parametrize("claim", [c for c in CLAIMS if RECORD[c.id].verdict != "reproduced"],
                         ids=lambda claim: claim.id)  # fmt: skip
def test_an_upgraded_verdict_of_any_claim_is_detected(claim):
    better = {claim.id: Recorded("reproduced")}
    found = faults([claim], better)
    verdict = RECORD[claim.id].verdict
    assert f"{claim.id}: recorded as 'reproduced', measured as {verdict!r}" in found


def test_a_missing_number_and_a_different_default_are_detected():
    readings = other_readings()
    gone = {name: value for name, value in numbers().items() if "conv" not in name}
    assert faults(CLAIMS[:1], found=gone)[0] == (
        "instantaneous-observations: no executed notebook has convergence::causality_changes"
    )
    row = readings.index[readings.number == "fig2_energy_delay::saving_alpha_1"][0]
    for column in ("value", "lower", "upper"):
        moved = readings.copy()
        moved.loc[row, column] *= 1 + 1e-12
        assert any("is another number where readings" in line for line in faults(readings=moved))


@pytest.mark.parametrize("broken", [
    certain(math.inf), certain(math.nan), Interval(94.4, 95.0, 96.0), Interval(94.4, 94.5, 94.3),
])  # fmt: skip
def test_an_invalid_number_is_detected(broken):
    name = "fig2_energy_delay::saving_alpha_1"
    lines = faults(found=numbers() | {name: broken})
    assert any(f"{name} is no number within its interval" in line for line in lines)


@pytest.mark.parametrize(("printed", "accept", "seen"), [
    ("50 m", (50, 50), False), ("500 m", (50, 50), True), ("> 10 %", (10, math.inf), False),
    ("2 × 10⁵ slots", (2e5, 2e5), False), ("2 × 10⁴ slots", (2e5, 2e5), True),
    ("around 85 %", (84.5, 85.5), False), ("around 58 %", (84.5, 85.5), True),
    ("always", (1, 1), False),
])  # fmt: skip
def test_the_papers_own_number_must_be_acceptable(printed, accept, seen):
    item = Measurement("fig::x", accept=accept, tolerance="t")
    claim = Claim("one", "Sec. IV", "Says something.", (item,), paper=printed)
    record = {"one": Recorded("reproduced")}
    found = faults([claim], record, {"fig::x": certain(accept[0])})
    assert (f"one: the paper's {printed!r} would not be accepted" in found) == seen


@pytest.fixture
def project(tmp_path):
    """Return a folder with copies of all files needed to judge the claims."""
    ignore = shutil.ignore_patterns("__pycache__", "figures", ".*")
    for name in ("reproduction", "book/executed"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


def edit(path, old, new):
    """Replace text in a file, which must contain it."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(("name", "old", "new", "said"), [
    ("reproduction/claims.yml", "accept: [20, 20]", "accept: [21, 21]",
     "splitting-points: recorded as 'reproduced', measured as 'not reproduced'"),
    ("reproduction/claims.yml", "\noffloading-saving:", "\nanother:",
     "verdicts.yml has no verdict on another"),
    ("reproduction/verdicts.yml", "\noffloading-saves-most:", "\noffloading-saving:",
     "'offloading-saving' is given twice in one entry"),
    ("reproduction/verdicts.yml", "verdict: partly", "verdict: perhaps",
     "'perhaps' is not one of"),
    ("reproduction/verdicts.yml", "  because", "  # because", "'because' is a required property"),
    ("README.md", "are reproduced", "are proved", "README.md does not hold this sentence"),
])  # fmt: skip
def test_the_command_names_the_error(project, capsys, name, old, new, said):
    edit(project / name, old, new)
    assert verdicts.main(["check"], project) == 1
    assert said in capsys.readouterr().err


def test_the_command_passes_and_updates_the_readme(project, capsys):
    readme = project / "README.md"
    text = readme.read_text()
    edit(readme, "are reproduced", "are proved")
    assert verdicts.main(["accept"], project) == 0
    assert readme.read_text() == text
    assert verdicts.main(["check"], project) == 0
    assert "claims" in capsys.readouterr().out


def test_both_lists_must_have_the_same_claims(project):
    with (project / "reproduction" / "verdicts.yml").open("a") as file:
        file.write("\nnew:\n  verdict: reproduced\n")
    with pytest.raises(ClaimsError, match=r"verdicts.yml has a verdict on new, and claims.yml no"):
        verdicts.read_lists(project)


def test_pages_show_every_claim_and_count_measured_not_recorded_verdicts(project):
    executed = project / "book" / "executed"
    score, details, line = (
        executed / name for name in ("scorecard.md", "claims.md", "scorecard-summary.md")
    )
    scorecard.write_pages(project)
    for claim in CLAIMS:
        assert f"](#claim-{claim.id})" in score.read_text()
        assert f"(claim-{claim.id})=" in details.read_text()
    assert line.read_text().strip() in score.read_text()
    before, moment = line.read_text(), score.stat().st_mtime_ns
    edit(
        project / "reproduction" / "verdicts.yml", "verdict: not reproduced", "verdict: reproduced"
    )
    scorecard.write_pages(project)
    assert line.read_text() == before
    assert "*not reproduced, recorded as reproduced*" in details.read_text()
    assert score.stat().st_mtime_ns == moment, "an unchanged page makes the book stale"


BOARDS = ("host.flops_per_second", "device.flops_per_second", "device.a", "device.b",
          "device.a_prime")  # fmt: skip
FIELDS = ("distance", "carrier_frequency", "bandwidth", "noise_psd", "p_min", "p_max", "d_avg",
          "arrival_rate", "d_max", "epsilon", "path_loss_exponent")  # fmt: skip


@pytest.mark.parametrize("factor", [0.99, 1.01])
@pytest.mark.parametrize("name", [*FIELDS, *BOARDS])
def test_an_error_of_one_per_cent_in_any_constant_is_caught_by_a_claim(name, factor):
    """No claim of the paper can catch an error in E|h|^2 = 1; test_scenario does."""
    scenario = sl.Scenario()
    board, _, field = name.rpartition(".")
    owner = getattr(scenario, board) if board else scenario
    changed = dataclasses.replace(owner, **{field: getattr(owner, field) * factor})
    changed = dataclasses.replace(scenario, **{board: changed}) if board else changed
    found = measures.of_inputs(changed)
    moved = numbers() | {f"fig2_energy_delay::{key}": value for key, value in found.items()}
    assert len(faults(found=moved)) == 1


def test_table_of_constants_names_the_claims_that_catch_errors():
    table = pd.read_csv(
        ROOT / "book/executed/assumptions/data/assumptions_constants.csv", index_col=0
    )
    assert set(table.index) >= {*FIELDS}
    silent = table.index[table["caught by the claim"].isna()].tolist()
    assert silent == ["fading_power"]


def test_each_claim_is_three_clicks_from_its_number_and_figure(project):
    scorecard.write_pages(project)
    details = (project / "book" / "executed" / "claims.md").read_text()
    for claim in CLAIMS:
        start = details.index(f"(claim-{claim.id})=")
        text = details[start : details.find("\n(claim-", start + 1)]
        pages = set(re.findall(r"\]\(\./(\w+)/index\.ipynb\)", text))
        assert pages == {item.notebook for item in claim.measured}, claim.id
        if claim.figure:
            assert f"(#{claim.figure})" in text


@pytest.mark.parametrize(("item", "found", "shown", "accepted"), [
    (Measurement("a::x", "runs", share=True, accept=(0.025, 0.975)), Interval(0.7, 0.5, 0.9),
     "70.0 [50.0, 90.0]\u00a0%", "2.5 to 97.5\u00a0%"),
    (Measurement("a::x", "gain", "points", 2, (0, math.inf)), Interval(5.0, -4.0, 6.0),
     "5.0 [−4.0, 6.0]\u00a0points", "at least 0\u00a0points"),
    (Measurement("a::x", "residual", "", 2, (0, 1e-9)), certain(1.9e-13),
     "1.9\u00a0×\u00a010⁻¹³", "0 to 1\u00a0×\u00a010⁻⁹"),
    (Measurement("a::x", "count", "slots", 6, (200000, 200000)), certain(200000),
     "200000\u00a0slots", "200000\u00a0slots"),
    (Measurement("a::x", "ratio", "", 5, (-math.inf, 1.001)), certain(1.0002), "1.0002",
     "at most 1.001"),
])  # fmt: skip
def test_numbers_and_limits_are_shown_in_the_same_unit(item, found, shown, accepted):
    assert verdicts.in_print(item, found) == shown
    assert verdicts.accepted_in_print(item) == accepted
