"""The explorer: in Python, on pages in a real browser, and in JupyterLab and Voila."""

import dataclasses
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import nbformat
import numpy as np
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

import splitlib as sl
from splitlib.explorer import CURVE_V, Explorer
from splitlib.explorer.transpile import FUNCTIONS, to_javascript
from tests.book.pages import Panel, Visit, served
from tests.book.ports import free_port
from tools import book
from tools.browser import launched
from tools.fingerprint import ROOT


def runs_in_page(policy):
    rule = policy(sl.Scenario(), sl.draw_trace(sl.Scenario(), 100, rng=0))
    return policy.hindsight is not None or isinstance(rule, sl.Rule)


#: What may be chosen: all that a page can run but what is always drawn.
RIVALS = [
    name
    for name, policy in sl.POLICIES.items()
    if name not in ("adaptive", "full_offloading", "full_local") and runs_in_page(policy)
]
PYTHON_ONLY = [policy.label for policy in sl.POLICIES.values() if not runs_in_page(policy)]
HTML = ROOT / "_build" / "html"
EXPLORER = "book/executed/explorer/index"
PAGES = [*book.pages(ROOT), "search", "genindex"]
#: Every page as a file, where browsers are stricter, and one of each kind over http.
VISITS = [(name, "file") for name in PAGES]
VISITS += [(name, "http") for name in ("book/index", EXPLORER, "book/controller", "search")]

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def chromium():
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def addresses():
    """Return the addresses of the book over http and in its folder."""
    if not (HTML / "index.html").is_file():
        pytest.fail("there is no built book: run `make book` first", pytrace=False)
    with served(HTML) as host:
        yield {"http": host, "file": HTML.as_uri()}


@pytest.fixture
def panel(chromium, addresses):
    with Visit(chromium, f"{addresses['file']}/{EXPLORER}.html") as visit:
        yield Panel(visit.page)
        assert not visit.complaints


# ---- in Python ----


def test_sliders_and_python_have_the_same_scenario():
    explorer = Explorer()
    assert explorer.scenario == sl.Scenario()
    explorer.panel.alpha_max, explorer.panel.d_avg_ms, explorer.panel.p_max_mw = 0.25, 70.0, 50.0
    assert explorer.scenario == sl.Scenario(alpha_max=0.25, d_avg=0.07, p_max=0.05)
    explorer.scenario, explorer.V = sl.Scenario(path_loss_exponent=4.7, d_max=0.3), 0.5
    panel = explorer.panel
    assert (panel.path_loss_exponent, panel.d_max_ms, panel.V) == (4.7, 300.0, 0.5)
    assert panel.initial["V"] == 0.5
    sliders = {
        widget.description: widget for box in explorer.children[:2] for widget in box.children
    }
    assert sliders["β"].value == 4.7
    assert sliders["V (s²/J)"].value == 0.5


def test_result_agrees_with_simulate():
    explorer = Explorer(sl.Scenario(alpha_max=0.5), V=0.2, n_slots=5000, burn_in=100, seed=4)
    trace = sl.page_trace(explorer.scenario, 5000, seed=4)
    expected = sl.simulate(explorer.scenario, trace, V=0.2, burn_in=100)
    result = explorer.result()
    assert result.mean_energy == expected.mean_energy
    assert np.array_equal(result.split_histogram, expected.split_histogram)


def test_sliders_fit_any_scenario():
    network = sl.Network("tiny", (1, 8, 8), (sl.Stage("only", (sl.Conv2d(1, 4, 3),)),))
    scenario = sl.Scenario(
        network=network, distance=3000.0, alpha_max=1e-5, epsilon=0.0, d_avg=2.0, p_min=0.033,
        p_max=7.0, arrival_rate=123.0, path_loss_exponent=1.5,
    )  # fmt: skip
    explorer = Explorer(scenario, V=1e4)
    assert explorer.scenario == scenario
    assert explorer.panel.split_names == ["input", "only"]
    assert explorer.result().V == 1e4


@pytest.mark.parametrize("scenario", [
    sl.Scenario(),
    sl.Scenario(d_max=0.003, d_avg=0.0005, distance=0.5, epsilon=0.9995, alpha_max=1 / 3),
    sl.Scenario(p_min=0.033, p_max=0.033, d_avg=1 / 30),
    sl.Scenario(p_min=2.0, p_max=3.0),
    sl.Scenario(alpha_min=0.03),
])  # fmt: skip
def test_every_slider_may_be_moved_to_its_ends(scenario):
    explorer = Explorer(scenario, n_slots=50, burn_in=0)
    assert explorer.scenario == scenario
    sliders = [widget for box in explorer.children[:2] for widget in box.children]
    for name in explorer.panel.sliders:
        (slider,) = (w for w in sliders if f"splitlib-{name}" in w._dom_classes)
        base = getattr(slider, "base", None)
        for end in (slider.min, slider.max):
            setattr(explorer.panel, name, base**end if base else end)
            assert explorer.result().n_slots == 50
        explorer.scenario = scenario


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"scenario": 3}, TypeError, "scenario must be a Scenario, got 3"),
    ({"V": 0}, ValueError, r"V must be a finite number in \(0, inf\), got 0"),
    ({"n_slots": 0}, ValueError, "n_slots must be an integer of at least 1"),
    ({"burn_in": 200_000}, ValueError, "burn_in must be less than the 200000 slots"),
    ({"seed": -1}, ValueError, "seed must be an integer of at least 0"),
    ({"scenario": sl.Scenario(arrival_rate=1e3)}, ValueError, "arrival_rate must be"),
    ({"rivals": "dads"}, TypeError, "rivals must be a sequence of names of policies, got 'dads'"),
    ({"rivals": ["neurosurgon"]}, ValueError, r"rivals must be .* \(did you mean 'neurosurgeon'\?"),
    ({"rivals": ["adaptive"]}, ValueError, "rivals must be one of 'exact', 'best_static'"),
    ({"rivals": ["dads", "dads"]}, ValueError, "rivals must not hold a name twice"),
])  # fmt: skip
def test_bad_input_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Explorer(**arguments)


def test_a_bad_value_changes_nothing():
    explorer = Explorer()
    with pytest.raises(ValueError, match="V must be a finite number"):
        explorer.V = -1.0
    with pytest.raises(TypeError, match="scenario must be a Scenario"):
        explorer.scenario = "paper"
    assert explorer.V == 3.0
    assert explorer.scenario == sl.Scenario()


def test_rivals_can_be_chosen_from_python():
    explorer = Explorer(rivals=("neupart", "dads"))
    assert explorer.rivals == explorer.panel.rivals == ["dads", "neupart"]
    assert explorer.panel.initial["rivals"] == ["dads", "neupart"]
    with pytest.raises(ValueError, match="did you mean 'myopic'"):
        explorer.rivals = ["exact", "myopi"]
    assert explorer.rivals == ["dads", "neupart"]
    explorer.rivals = []
    assert explorer.panel.rivals == explorer.panel.initial["rivals"] == []


def test_a_rival_that_needs_a_longer_network_is_not_offered():
    explorer = Explorer(rivals=["bottleneck", "dads"])
    short = sl.Network("tiny", (1, 8, 8), (sl.Stage("only", (sl.Conv2d(1, 4, 3),)),))
    explorer.scenario = sl.Scenario(network=short)
    assert explorer.rivals == explorer.panel.initial["rivals"] == ["dads"]
    assert set(RIVALS) - set(explorer.panel.offered) == {"bottleneck"}
    with pytest.raises(ValueError, match="rivals must be one of"):
        explorer.rivals = ["bottleneck"]


def test_registered_policies_are_offered_or_listed_as_python_only(monkeypatch):
    def halfway(scenario, trace):
        return sl.Rule.over(scenario, [9])

    def peeking(scenario, trace):
        return sl.Rule.over(scenario, [0 if trace.gain.mean() > 1e-10 else 19])

    def cautious(slot):
        return 19, slot.rate_max

    monkeypatch.setattr(sl.policies, "POLICIES", dict(sl.POLICIES))
    for function in (halfway, peeking, sl.online(cautious)):
        sl.register(f"the {function.__name__} one")(function)
    explorer = Explorer(rivals=["halfway"])
    assert explorer.panel.offered == [*RIVALS, "halfway"]
    assert explorer.panel.python_only == [*PYTHON_ONLY, "the peeking one", "the cautious one"]
    with pytest.raises(ValueError, match="rivals must be policies that a page can run"):
        explorer.rivals = ["peeking"]


def test_page_uses_the_translated_functions():
    script = to_javascript()
    for function in FUNCTIONS:
        assert f"{function.__name__} = function" in script
    for file in (ROOT / "splitlib" / "explorer").glob("*.js"):
        assert not re.search(r"Math\.(log|exp)\b", file.read_text()), file.name
    assert "stationary_rate(" in script


def total(table, i, n, sums):
    for k in range(n):
        sums[0] += table.rows[i][k]
        if table.more is not None:
            sums[0] += table.more[i][k]


def test_rows_are_looked_up_before_a_loop_unless_they_may_be_missing():
    script = to_javascript((total,))
    assert script.index("table_rows_i_ = table.rows[i]") < script.index("for (k = 0")
    assert "table.more[i][k]" in script


# ---- the pages of the book, without access to other hosts ----


def typeset(page):
    """Return the number of formulas on a page, and the number of those typeset."""
    page.wait_for_timeout(300)
    page.wait_for_function("!window.MathJax?.startup?.promise || document.readyState == 'complete'")
    page.evaluate("window.MathJax?.startup?.promise")
    formulas = page.locator("article .math")
    return formulas.count(), page.locator("article .math mjx-container").count()


@pytest.mark.parametrize(("name", "scheme"), VISITS)
def test_page_contacts_no_other_host_and_logs_no_errors(chromium, addresses, name, scheme):
    with Visit(chromium, f"{addresses[scheme]}/{name}.html") as visit:
        formulas, drawn = typeset(visit.page)
        visit.page.wait_for_timeout(200)
        if visit.page.locator(".splitlib-panel, script[type$='widget-view+json']").count():
            Panel(visit.page)
        assert visit.outside == []
        assert visit.complaints == []
        assert formulas == drawn


def test_every_declared_font_loads(chromium, addresses):
    # If a font is declared twice, it is unpredictable which declaration the browser loads.
    with Visit(chromium, f"{addresses['file']}/{EXPLORER}.html") as visit:
        Panel(visit.page)
        states = visit.page.evaluate(
            """async () => {
              const faces = [...document.fonts].filter((face) => /Awesome/.test(face.family));
              await Promise.allSettled(faces.map((face) => face.load()));
              return faces.map((face) => face.status);
            }"""
        )
        assert len(states) > 5
        assert set(states) == {"loaded"}
        assert visit.complaints == []


def test_there_are_formulas_to_draw(chromium, addresses):
    with Visit(chromium, f"{addresses['file']}/book/controller.html") as visit:
        assert typeset(visit.page)[0] > 50


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_works_offline(chromium, addresses, scheme):
    with Visit(chromium, f"{addresses[scheme]}/search.html?q=Lambert") as visit:
        visit.page.wait_for_selector("#search-results li a")
        found = visit.page.locator("#search-results li a").all_inner_texts()
        assert any("controller" in text for text in found)
        assert visit.outside == visit.complaints == []


@pytest.mark.parametrize("width", [1440, 768, 375])
def test_panel_is_on_the_first_screen_and_fits(chromium, addresses, width):
    size = {"width": width, "height": 900}
    with Visit(chromium, f"{addresses['file']}/book/index.html", viewport=size) as visit:
        Panel(visit.page)
        assert visit.page.locator(".splitlib-V").bounding_box()["y"] < 600
        chart = visit.page.locator(".splitlib-explorer svg").first.bounding_box()
        assert chart["y"] < 900
        assert chart["x"] + chart["width"] <= width
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_javascript_and_in_print_a_still_picture_is_shown(chromium, addresses):
    for name in ("book/index", EXPLORER):
        address = f"{addresses['file']}/{name}.html"
        still = ".static-figure img, .tag_static-figure img"
        with Visit(chromium, address, java_script_enabled=False) as visit:
            assert visit.page.locator(still).first.is_visible()
        with Visit(chromium, address) as visit:
            Panel(visit.page)
            assert not visit.page.locator(still).first.is_visible()
            visit.page.emulate_media(media="print")
            assert visit.page.locator(still).first.is_visible()
            assert not visit.page.locator(".splitlib-panel").is_visible()


# ---- the contents of the panel ----

EXPECTED = {
    "meanDelay": "mean_delay",
    "outage": "outage",
    "meanEnergy": "mean_energy",
    "energySaving": "energy_saving",
    "meanSplit": "mean_split",
    "stdSplit": "std_split",
}


def compare_with_python(data):
    """Compare the numbers on the page with a simulation on the same trace."""
    setting = data["setting"]
    scenario = scenario_of(setting)
    assert setting["noise_power"] == scenario.noise_psd * scenario.bandwidth
    trace = sl.page_trace(scenario, 200_000, seed=1)
    result = sl.simulate(scenario, trace, V=setting["V"])
    for on_page, name in EXPECTED.items():
        assert data[on_page] == pytest.approx(getattr(result, name), rel=1e-9), (name, setting)
    assert data["splitHistogram"] == result.split_histogram.tolist(), setting
    assert data["queues"] == pytest.approx(result.final_queues, rel=1e-9, abs=1e-12)


def scenario_of(setting):
    """Return the scenario for a setting of the page."""
    fields = {field.name for field in dataclasses.fields(sl.Scenario)}
    return sl.Scenario(**{name: setting[name] for name in fields & setting.keys()})


def random_settings(count):
    """Yield random settings from the whole range of the sliders, in their units."""
    rng = np.random.default_rng(3)

    def draw(low, high, log=False):
        return float(np.exp(rng.uniform(*np.log([low, high]))) if log else rng.uniform(low, high))

    for _ in range(count):
        yield {
            "V": draw(1e-4, 100, log=True),
            "path_loss_exponent": draw(2, 6),
            "alpha_max": draw(1e-3, 1, log=True),
            "arrival_rate": draw(0.5, 40),
            "distance": draw(1, 200),
            "d_avg_ms": draw(5, 200),
            "d_max_ms": draw(5, 500),
            "epsilon": draw(0, 0.2),
            "p_max_mw": draw(10, 1000, log=True),
        }


def show(panel, setting):
    """Type a setting into the panel, and wait until everything is shown."""
    for name, value in setting.items():
        panel.type(name, value)
    panel.settle()
    shown = panel.read("setting")[0]
    assert shown["V"] == setting.get("V", shown["V"])


def show_point(panel, setting):
    """Type a setting into the panel, V last, and wait for its numbers but not for the curve."""
    for name, value in sorted(setting.items(), key=lambda item: item[0] == "V"):
        panel.type(name, value)
    panel.page.wait_for_function(
        "V => JSON.parse(document.querySelector('.splitlib-explorer').dataset.setting).V === V",
        arg=setting["V"],
    )


def test_numbers_on_the_page_agree_with_simulate(panel):
    panel.page.get_by_role("button", name="more sliders").click()
    compare_with_python(panel.read())
    for setting in random_settings(24):
        show_point(panel, setting)
        data = panel.read()
        assert data["setting"]["d_max"] == setting["d_max_ms"] / 1e3
        compare_with_python(data)
    panel.settle()


def test_keys_move_v_and_beta_in_the_right_direction(panel):
    panel.click("α_max = 0.1")
    panel.settle()
    panel.type("V", 0.001)
    panel.settle()
    saving, delay = panel.read("energySaving", "meanDelay")
    panel.press("V", "PageUp", times=12)
    panel.settle()
    assert panel.read("V")[0] > 0.005
    more_saving, more_delay = panel.read("energySaving", "meanDelay")
    assert more_saving > saving
    assert more_delay > delay
    split = panel.read("meanSplit")[0]
    panel.press("path_loss_exponent", "ArrowRight", times=8)
    assert panel.read("meanSplit")[0] > split
    panel.press("path_loss_exponent", "ArrowLeft", times=4)
    assert panel.read("setting")[0]["path_loss_exponent"] == pytest.approx(3.2)


def test_dragging_beta_moves_the_split_all_the_way(panel):
    split, saving = panel.read("meanSplit", "energySaving")
    panel.drag("path_loss_exponent", by=0.425)  # from 3 to 4.7
    assert panel.read("setting")[0]["path_loss_exponent"] == pytest.approx(4.7, abs=0.1)
    deeper, less = panel.read("meanSplit", "energySaving")
    assert split < 3 < 12 < deeper
    assert less < saving


def place_of_marker(panel):
    """Read energy saving and mean delay of the current point off the first chart."""
    chart = panel.root.locator(".charts svg").first
    return place_of(panel, numbers_in(chart.locator(".here").get_attribute("transform")))


def place_of(panel, place):
    """Convert a position in the first chart to energy saving (%) and mean delay (ms)."""
    chart = panel.root.locator(".charts svg").first
    x, y = place
    ticks = chart.locator("text[text-anchor=middle]")
    at = {text: ticks.nth(i).get_attribute("x") for i, text in enumerate(ticks.all_text_contents())}
    zero, hundred = float(at["0"]), float(at["100"])
    _, _, bottom, _ = numbers_in(chart.locator(".axis").get_attribute("d"))
    limit = numbers_in(chart.locator("path.limit").get_attribute("d"))[1]
    d_avg = 1e3 * panel.read("setting")[0]["d_avg"]
    return 100 * (x - zero) / (hundred - zero), d_avg * (bottom - y) / (bottom - limit)


def numbers_in(text):
    return [float(number) for number in re.findall(r"-?[\d.]+", text)]


def test_charts_agree_with_the_numbers(panel):
    boxes = panel.root.locator("svg rect:not(.burn-in)")
    heights = [
        float(h) for h in boxes.evaluate_all("bars => bars.map(b => b.getAttribute('height'))")
    ]
    histogram = panel.read("splitHistogram")[0]
    assert np.argmax(heights) == np.argmax(histogram)
    assert [height > 0 for height in heights] == [slots > 0 for slots in histogram]
    assert panel.root.locator("svg .curve").first.locator("circle").count() == len(CURVE_V)
    for V in (3.0, 1e-2, 1e-4):
        panel.type("V", V)
        panel.settle()
        saving, delay = panel.read("energySaving", "meanDelay")
        assert place_of_marker(panel) == pytest.approx((100 * saving, 1e3 * delay), rel=0.01)
    assert "mean delay" in panel.root.inner_text()
    name = panel.root.locator("svg").first.get_attribute("aria-label")
    assert re.search(r"Energy saving [\d.]+\s%", name)


def test_sliders_show_the_simulated_values(panel):
    readout = panel.page.locator(".splitlib-V .widget-readout").first
    assert panel.read("V")[0] == 3
    assert readout.inner_text() == "3.00"
    panel.type("V", 0.37)
    panel.settle()
    assert readout.inner_text() == "0.370"
    assert panel.handle("V").get_attribute("aria-valuetext") == "0.37"


def test_presets_and_reset(panel):
    for name, field, value in (
        ("α_max = 0.5", "alpha_max", 0.5), ("α_max = 0.1", "alpha_max", 0.1),
        ("β = 4", "path_loss_exponent", 4), ("β = 4.7", "path_loss_exponent", 4.7),
    ):  # fmt: skip
        panel.click(name)
        panel.settle()
        assert panel.read("setting")[0][field] == value
        button = panel.root.get_by_role("button", name=name, exact=True)
        assert button.get_attribute("aria-pressed") == "true"
    panel.root.evaluate(
        "root => { window.seen = []; new MutationObserver(() => seen.push(root.dataset.setting))"
        ".observe(root, { attributes: true, attributeFilter: ['data-setting'] }); }"
    )
    panel.click("reset")
    panel.settle()
    assert len(set(panel.page.evaluate("seen"))) == 1, "reset went through settings of its own"
    assert panel.root.get_by_role("button", name="reset").get_attribute("aria-pressed") is None
    setting = panel.read("setting")[0]
    assert (setting["alpha_max"], setting["path_loss_exponent"], setting["V"]) == (1, 3, 3)
    assert panel.handle("alpha_max").get_attribute("aria-valuetext") == "1"


def test_all_controls_are_reachable_and_announced(panel):
    page = panel.page
    page.get_by_role("button", name="more sliders").press("Enter")
    names = page.locator(".splitlib-panel .noUi-handle").evaluate_all(
        "handles => handles.map(h => [h.getAttribute('aria-label'), h.tabIndex])"
    )
    assert len(names) == 9
    assert page.locator(".splitlib-panel [title=null], .splitlib-panel [title='']").count() == 0
    assert page.locator(".splitlib-main button").get_attribute("aria-expanded") == "true"
    assert all(label and focus == 0 for label, focus in names)
    assert page.locator(".splitlib-epsilon").is_visible()
    panel.press("V", "ArrowRight")
    said = r"V [\d.]+, β 3, α_max 1: energy saving .* mean delay .* outage .* settled"
    panel.root.locator("[aria-live=polite]", has_text=re.compile(said)).wait_for(state="attached")


def test_a_broken_limit_is_described_in_words(panel):
    panel.type("V", 100)
    panel.settle()
    text = panel.root.locator(".numbers").inner_text()
    assert "✗ above D_avg" in text
    assert "not settled" in text
    assert panel.root.locator("svg .broken").count() == 1


@pytest.mark.parametrize("corner", [
    {"V": 1e-4}, {"V": 100.0}, {"path_loss_exponent": 6.0}, {"alpha_max": 1e-3},
    {"V": 1e-4, "path_loss_exponent": 6.0, "alpha_max": 1e-3},
    {"V": 100.0, "path_loss_exponent": 6.0, "alpha_max": 1e-3, "arrival_rate": 40.0},
    {"d_avg_ms": 5.0, "d_max_ms": 5.0, "epsilon": 0.0, "arrival_rate": 40.0},
    {"distance": 1.0, "path_loss_exponent": 2.0, "p_max_mw": 1000.0},
    {"arrival_rate": 0.5, "p_max_mw": 10.0},
])  # fmt: skip
def test_extreme_settings_are_drawn_without_errors(panel, corner):
    panel.page.get_by_role("button", name="more sliders").click()
    show(panel, corner)
    drawing = panel.root.inner_html()
    assert not re.search(r"NaN|Infinity|undefined|null", drawing)
    for svg in panel.root.locator("svg").all():
        box = svg.evaluate(
            "s => [s.getBBox().width, s.clientWidth, s.getBBox().height, s.clientHeight]"
        )
        assert box[0] < box[1] + 30, "something is drawn beside the chart"
        assert box[2] < box[3] + 30, "something is drawn below the chart"
    compare_with_python(panel.read())


def test_without_images_the_page_explains_why_it_draws_nothing(panel):
    panel.page.get_by_role("button", name="more sliders").click()
    panel.type("arrival_rate", 0)
    panel.settle()
    assert math.isnan(panel.read("energySaving")[0])
    text = panel.root.inner_text()
    assert "No images arrive" in text
    assert "NaN" not in text
    panel.type("arrival_rate", 10)
    panel.settle()
    assert panel.root.locator("svg").count() > 3


# ---- the rivals ----


def choose(panel, *names):
    """Choose rivals by their buttons, and wait for their numbers."""
    if panel.root.locator(".rivals").get_attribute("open") is None:
        panel.root.locator("summary").click()
    for name in names:
        panel.root.get_by_role("button", name=rival_label(name), exact=True).click()
    panel.settle()


def rival_label(name):
    return f"{RIVALS.index(name) + 1} {sl.POLICIES[name].label}"


def compare_rivals_with_python(panel, expected):
    setting, rivals = panel.read("setting", "rivals")
    assert list(rivals) == expected
    scenario = scenario_of(setting)
    trace = sl.page_trace(scenario, 200_000, seed=1)
    for name, run in rivals.items():
        try:
            result = sl.simulate(scenario, trace, setting["V"], policy=name)
        except sl.Infeasible:
            assert run["infeasible"], name
            continue
        assert "infeasible" not in run
        for on_page in EXPECTED.values():
            expected_value = getattr(result, on_page)
            assert run[on_page] == pytest.approx(expected_value, rel=1e-9, abs=1e-12), (
                name,
                on_page,
            )
        assert run["split_histogram"] == result.split_histogram.tolist(), name


def test_numbers_of_all_rivals_agree_with_simulate(panel):
    choose(panel, *RIVALS)
    compare_rivals_with_python(panel, RIVALS)
    panel.page.get_by_role("button", name="more sliders").click()
    show(panel, {"V": 0.37, "path_loss_exponent": 4.2, "alpha_max": 0.2, "arrival_rate": 14.0,
                 "d_avg_ms": 40.0, "d_max_ms": 90.0, "epsilon": 0.02})  # fmt: skip
    compare_rivals_with_python(panel, RIVALS)
    table = panel.root.get_by_role("table")
    assert "both kept" in table.inner_text()
    assert "exceeded" in table.inner_text()


def test_clairvoyant_reports_that_no_policy_keeps_the_limits(panel):
    choose(panel, "clairvoyant", "dads")
    panel.page.get_by_role("button", name="more sliders").click()
    show(panel, {"d_avg_ms": 5.0, "arrival_rate": 40.0})
    compare_rivals_with_python(panel, ["dads", "clairvoyant"])
    row = panel.root.get_by_role("row", name="clairvoyant").inner_text()
    assert "no policy keeps both limits here" in row
    assert panel.root.locator(".charts svg").first.locator("path.rival").count() == 1


#: Counts how often the page has shown a new setting before its rivals were ready.
_COUNT_EARLY = """root => {
  root.early = 0;
  new MutationObserver(() => {
    root.early += Object.values(JSON.parse(root.dataset.rivals)).includes(null);
  }).observe(root, { attributes: true, attributeFilter: ["data-setting"] });
}"""


def test_rivals_follow_a_slider_during_a_drag(panel):
    choose(panel, "neupart", "exact", "best_static")
    panel.root.evaluate(_COUNT_EARLY)
    panel.drag("path_loss_exponent", by=0.3)
    assert panel.root.evaluate("root => root.early") > 5, "the rivals kept the page waiting"
    panel.settle()
    compare_rivals_with_python(panel, ["exact", "best_static", "neupart"])
    before = panel.read("rivals")[0]
    panel.press("V", "PageDown", times=3)
    panel.settle()
    after = panel.read("rivals")[0]
    assert after["neupart"] == before["neupart"], "V has no bearing on it"
    assert after["exact"]["V"] != before["exact"]["V"]
    compare_rivals_with_python(panel, ["exact", "best_static", "neupart"])


def test_rivals_can_be_chosen_with_keys_alone(panel):
    page, root = panel.page, panel.root
    assert root.get_by_role("table").count() == root.locator("path.rival").count() == 0
    assert not root.locator(".rivals button").first.is_visible()
    root.get_by_role("button", name="reset").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in range(RIVALS.index("dads") + 1):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    panel.settle()
    button = root.get_by_role("button", name=rival_label("dads"), exact=True)
    assert button.get_attribute("aria-pressed") == "true"
    assert button.evaluate("button => button === document.activeElement")
    row = root.get_by_role("row", name="DADS")
    (dads,) = panel.read("rivals")[0].values()
    assert f"{100 * dads['energy_saving']:.2f}" in row.inner_text()
    assert root.get_by_role("rowheader", name=rival_label("dads")).count() == 1
    assert root.locator("summary").inner_text() == "compare with DADS"
    assert root.locator("path.rival title").first.text_content().startswith("5 DADS: ")
    page.keyboard.press("Space")
    panel.settle()
    assert button.get_attribute("aria-pressed") == "false"
    assert root.get_by_role("table").count() == 0


def test_reset_clears_the_rivals(panel):
    choose(panel, "dads", "myopic")
    panel.root.get_by_role("button", name="reset").click()
    panel.root.get_by_role("table").wait_for(state="detached")
    panel.settle()
    assert panel.read("rivals")[0] == {}
    assert panel.root.locator(".rivals [aria-pressed=true]").count() == 0


def test_a_rival_is_drawn_at_its_numbers(panel):
    choose(panel, "best_static", "after_first_conv")
    static = panel.read("rivals")[0]["best_static"]
    chart = panel.root.locator(".charts svg").first
    marks = [
        numbers_in(mark.get_attribute("transform")) for mark in chart.locator("path.rival").all()
    ]
    place = place_of(panel, marks[0])
    assert place == pytest.approx(
        (100 * static["energy_saving"], 1e3 * static["mean_delay"]), rel=0.01
    )
    texts = chart.locator("text.rival").all_text_contents()
    assert texts == ["2", "7↑"], "what lies outside has an arrow at the edge"
    assert 0 < marks[1][1] < marks[0][1]


@pytest.mark.parametrize("width", [1440, 375])
def test_all_rivals_fit(chromium, addresses, width):
    address = f"{addresses['file']}/{EXPLORER}.html"
    with Visit(chromium, address, viewport={"width": width, "height": 900}) as visit:
        panel = Panel(visit.page)
        choose(panel, *RIVALS)
        table = panel.root.get_by_role("table")
        assert table.get_by_role("row").count() == len(RIVALS) + 2
        box = table.bounding_box()
        assert box["x"] + box["width"] <= width
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        for chart in panel.root.locator(".charts svg").all()[:2]:
            texts = [text.bounding_box() for text in chart.locator("text.rival").all()]
            for i, one in enumerate(texts):
                for other in texts[:i]:
                    apart = abs(one["x"] - other["x"]) >= 5 or abs(one["y"] - other["y"]) >= 9
                    assert apart, "two texts lie on each other"


# ---- the negative control, and other settings of Sphinx ----


def mini_book(folder, **config):
    """Build a book with only the explorer's page and other settings; return its page."""
    executed = folder / "book" / "executed" / "explorer"
    executed.mkdir(parents=True)
    shutil.copy(ROOT / f"{EXPLORER}.ipynb", executed)
    equations = "".join(f"$$\nx_{{{n}}}\n$$ (eq-{n})\n\n" for n in (13, 14, 17, 19))
    (folder / "book" / "index.md").write_text(f"# Home\n\n{equations}")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters: [{file: book/executed/explorer/index}]\n"
    )
    settings = {"execute": {"execute_notebooks": "off"}, "only_build_toc_files": True,
                "parse": {"myst_enable_extensions": ["amsmath", "dollarmath"]}}  # fmt: skip
    (folder / "_config.yml").write_text(yaml.safe_dump(settings | config))
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        "-q",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    page = folder / "_build" / "html" / "book" / "executed" / "explorer" / "index.html"
    assert page.is_file(), done.stderr
    return page


def test_stock_settings_would_fail_these_tests(chromium, tmp_path):
    page = mini_book(tmp_path)
    with Visit(chromium, page.as_uri()) as visit:
        formulas, drawn = typeset(visit.page)
        assert formulas > drawn == 0
        assert visit.outside
        assert visit.complaints
        assert visit.page.locator(".splitlib-panel").count() == 0


def test_a_public_address_adds_buttons_that_lead_to_the_sources(tmp_path):
    extensions = {"local_extensions": {"sphinx_public": str(ROOT / "tools")}}
    address = "https://github.com/someone/splitlib"
    page = mini_book(tmp_path, sphinx=extensions, repository={"url": address, "branch": "main"})
    text = page.read_text()
    assert (
        "mybinder.org/v2/gh/someone/splitlib/main?urlpath=lab/tree/notebooks/explorer.ipynb" in text
    )
    assert (
        "colab.research.google.com/github/someone/splitlib/blob/main/notebooks/explorer.ipynb"
        in text
    )
    assert f"{address}/edit/main/notebooks/explorer.ipynb" in text
    assert "book/executed/explorer/index.ipynb?" not in text


def test_without_a_public_address_there_are_no_such_buttons(tmp_path):
    extensions = {"local_extensions": {"sphinx_public": str(ROOT / "tools")}}
    text = mini_book(tmp_path, sphinx=extensions, repository={"url": ""}).read_text()
    assert not re.search("mybinder|colab|/edit/", text)


# ---- with a kernel ----

SEEN = """
import dataclasses
import json
from pathlib import Path
import splitlib as sl

network = sl.mobilenet_v2()
stages = [dataclasses.replace(stage, name='<b>&"' + stage.name) for stage in network.stages]
network = dataclasses.replace(network, stages=stages)
readings = {"path_loss": "friis", "fading_power": 40.0, "alpha_min": 0.1, "flops_per_mac": 1,
            "local_energy_per": "slot", "raw_bits_per_element": 8, "split_objective": "surrogate"}


@sl.register("halfway")
def halfway(scenario, trace):
    return sl.Rule.over(scenario, [8, 9, 10], rate="surrogate", virtual_queues=True)


@sl.register("slot by slot")
@sl.online
def cautious(slot):
    return 9, slot.rate_max


explorer = sl.explorer.Explorer(sl.Scenario(network=network, alpha_max=0.5, **readings), V=1.0)


def note(change):
    result = explorer.result()
    mine = sl.simulate(explorer.scenario, explorer.trace, V=explorer.V, policy="halfway")
    seen = {"halfway": [mine.mean_energy, mine.split_histogram.tolist()],
            "V": explorer.V, "path_loss_exponent": explorer.scenario.path_loss_exponent,
            "mean_delay": result.mean_delay, "energy_saving": result.energy_saving,
            "split_histogram": result.split_histogram.tolist()}
    Path("seen.tmp").write_text(json.dumps(seen))
    Path("seen.tmp").replace("seen.json")
    if explorer.V > 50:
        explorer.V = 0.37


explorer.panel.observe(note, ["V", "path_loss_exponent"])
explorer
"""


@pytest.fixture(params=["lab", "voila"])
def kernel_page(request, chromium, tmp_path):
    """Yield a page with the explorer's notebook, run in JupyterLab or Voila, and Python's file."""
    notebook = new_notebook(cells=[new_code_cell(SEEN)])
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    nbformat.write(notebook, tmp_path / "test.ipynb")
    port = free_port()
    common = [f"--ServerApp.root_dir={tmp_path}", "--ServerApp.token=", "--no-browser"]
    if request.param == "lab":
        command = ["jupyterlab", f"--port={port}", "--allow-root", *common,
                   "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=",
                   "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
        address = f"http://127.0.0.1:{port}/lab/tree/test.ipynb"
    else:
        command = ["voila", str(tmp_path / "test.ipynb"), f"--port={port}", "--no-browser"]
        address = f"http://127.0.0.1:{port}/"
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
                   "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
                   "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces")}  # fmt: skip
    log = (tmp_path / "server.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", *command], cwd=tmp_path, env=environment,
                              stdout=log, stderr=log, start_new_session=True)  # fmt: skip
    try:
        _wait_for(port, server, tmp_path / "server.log")
        with Visit(chromium, address) as visit:
            if request.param == "lab":
                visit.page.wait_for_selector(".jp-Notebook .jp-Cell")
                visit.page.get_by_text("| Idle").wait_for()  # otherwise it asks for a kernel
                visit.page.evaluate(
                    "() => { jupyterapp.commands.execute('notebook:run-all-cells'); }"
                )
            yield visit, tmp_path / "seen.json"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        log.close()


def _wait_for(port, server, log):
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status"):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def _seen(file, V):
    """Wait until Python's V has the given value; return the numbers that Python saw."""
    while not (file.is_file() and (seen := json.loads(file.read_text()))["V"] == V):
        time.sleep(0.1)
    return seen


def test_with_a_kernel_python_and_the_sliders_stay_in_sync(kernel_page):
    visit, file = kernel_page
    panel = Panel(visit.page)
    assert panel.read("V", "setting")[1]["alpha_max"] == 0.5
    names = panel.root.locator("svg .small").all_text_contents()
    assert names[:2] == ["input", '<b>&"stem']
    assert names[15] == '<b>&"block …'
    panel.root.locator("summary").click()
    named = panel.root.locator(".python-only").inner_text()
    assert all(label in named for label in [*PYTHON_ONLY, "slot by slot"])
    button = f"{len(RIVALS) + 1} halfway"
    panel.root.get_by_role("button", name=button, exact=True).click()
    panel.press("V", "ArrowRight", times=3)
    panel.press("path_loss_exponent", "ArrowRight")
    panel.settle()
    data = panel.read()
    seen = _seen(file, data["V"])
    assert (
        seen["path_loss_exponent"] == data["setting"]["path_loss_exponent"] == pytest.approx(3.05)
    )
    assert seen["mean_delay"] == pytest.approx(data["meanDelay"], rel=1e-9)
    assert seen["energy_saving"] == pytest.approx(data["energySaving"], rel=1e-9)
    assert seen["split_histogram"] == data["splitHistogram"]
    halfway = data["rivals"]["halfway"]
    assert halfway["mean_energy"] == pytest.approx(seen["halfway"][0], rel=1e-12)
    assert halfway["split_histogram"] == seen["halfway"][1]
    panel.press("V", "End")  # Python then sets V to 0.37
    _seen(file, 0.37)
    panel.settle()
    assert panel.read("V")[0] == 0.37
    assert panel.handle("V").get_attribute("aria-valuetext") == "0.37"
