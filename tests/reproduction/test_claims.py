"""The list of claims: its format, and how claims are judged."""

import dataclasses
import math
import shutil

import pytest

from reproduction import claims
from reproduction.claims import Claim, ClaimsError, Measurement, load
from reproduction.measures import certain
from splitlib import Interval

GOOD = """\
one:
  where: "Sec. IV"
  says: "A sentence of the paper."
  measured:
    - number: fig::x
      accept: [1, 2]
      tolerance: "printed exactly"
"""


def write(folder, text):
    """Write a list of claims beside the schema; return its path."""
    shutil.copy(claims.CLAIMS_FILE.with_suffix(".schema.json"), folder)
    (folder / "claims.yml").write_text(text)
    return folder / "claims.yml"


def test_a_good_list_is_read(tmp_path):
    (claim,) = load(write(tmp_path, GOOD))
    assert claim.measured == (Measurement("fig::x", accept=(1, 2), tolerance="printed exactly"),)
    half = load(write(tmp_path, GOOD.replace("[1, 2]", "[null, 2]")))
    assert half[0].measured[0].accept == (-math.inf, 2)


NUMBER = GOOD[GOOD.index("    - number") :]
SHARE = "      share: true\n      unit: m\n      accept"


@pytest.mark.parametrize(("old", "new", "message"), [
    (NUMBER, "", "line 4, claim 'one': .*"),
    (f"  measured:\n{NUMBER}", "", "line 1, claim 'one': 'measured' is a required property"),
    ("accept: [1, 2]", "accept: [1, 1e400]", "line 6, claim 'one': '1e400' is not of type"),
    ("accept: [1, 2]", "accept: [1e-9, 2]", "line 6, claim 'one': '1e-9' is not of type 'number'"),
    ("accept: [1, 2]", "accept: [no, 2]", "line 6, claim 'one': False is not of type 'number'"),
    ("accept: [1, 2]", "accept: [1]", r"line 6, claim 'one': \[1\] is too short"),
    ("accept: [1, 2]", "accept: [null, null]", "line 6, claim 'one': .* should not be valid"),
    ("      accept", SHARE, "line 5, claim 'one': .* should not be valid"),
    ("      tolerance: \"printed exactly\"\n", "", "line 5, claim 'one': 'tolerance' is a depend"),
    ("number: fig::x", "number: fig.x", "line 5, claim 'one': 'fig.x' does not match"),
    ("where:", "were:", "line 1, claim 'one': 'where' is a required property|'were' was unexpec"),
    ("  where:", "  where: V\n  where:", "line 3: 'where' is given twice in one entry"),
    ("one:", f"one:{GOOD[4:]}one:", "line 8: 'one' is given twice in one entry"),
    ("where: \"Sec. IV\"", "where: Sec. XI", "line 2, claim 'one': 'Sec. XI' does not match"),
    ("one:", "One!:", "line 1: 'One!' does not match"),
    ("says: \"A sentence of the paper.\"", "says: 3", "line 3, claim 'one': 3 is not of type 'str"),
    ("  says:", "  says: [", "line 4: expected"),
    (GOOD, "", "line 1: None is not of type 'object'"),
])  # fmt: skip
def test_errors_name_line_and_claim(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ClaimsError, match=rf"^claims\.yml, (?:{message})") as fault:
        load(write(tmp_path, GOOD.replace(old, new, 1)))
    assert "\n" not in str(fault.value)


def test_errors_name_the_line_of_the_faulty_claim(tmp_path):
    second = GOOD.replace("one:", "two:").replace("  where", "  were")
    with pytest.raises(ClaimsError, match="line 8, claim 'two': 'where' is a required"):
        load(write(tmp_path, GOOD + second))


@pytest.mark.parametrize("ends", ["[2, 1]", "[.nan, 2]"])
def test_accepted_ends_must_be_in_order(tmp_path, ends):
    with pytest.raises(ClaimsError, match="fig::x: accept must be two ends in order, got "):
        load(write(tmp_path, GOOD.replace("[1, 2]", ends)))


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
    claim = Claim("c", "Sec. IV", "Says something.", items)
    found = dict(zip(("a::x", "a::y"), map(certain, values), strict=True)) | {"a::z": certain(0)}
    assert claim.judge(found) == verdict
    vague = dataclasses.replace(claim, measured=items[2:])
    assert vague.judge(found) == "not stated precisely enough"
    with pytest.raises(KeyError, match="a::z"):
        vague.judge({})


def test_whole_interval_must_be_accepted_if_requested():
    item = Measurement("a::x", accept=(0, math.inf), tolerance="t", whole=True)
    assert item.accepts(Interval(1.0, 0.5, 1.5))
    assert not item.accepts(Interval(1.0, -0.5, 2.5))
    assert not item.accepts(certain(1.0)), "no interval"
    assert dataclasses.replace(item, whole=False).accepts(Interval(1.0, -0.5, 2.5))


def test_a_verdict_is_firm_if_the_whole_interval_agrees():
    item = Measurement("a::x", accept=(1, 2), tolerance="t")
    assert item.is_firm(Interval(1.5, 1.4, 1.6))
    assert item.is_firm(Interval(3.0, 2.5, 3.5))
    assert item.is_firm(certain(1.5))
    assert not item.is_firm(Interval(1.9, 1.7, 2.1))
