"""Each notebook: its form, the numbers of a small run, and refused parameters."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

import splitlib as sl
from reproduction import claims
from reproduction.parameters import RULES, check_values
from tests.reproduction.small_runs import SMALL_RUNS
from tools import cells

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.filterwarnings("ignore")  # from papermill's dependencies


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Return a function that runs a notebook with plain papermill in an empty folder."""
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def run(name, **parameters):
        source = source_of(name)
        output = tmp_path / source.name
        parameters = parameters or SMALL_RUNS[name]
        papermill.execute_notebook(
            source, output, parameters, cwd=tmp_path, progress_bar=False, kernel_name="python3"
        )
        notebook = nbformat.read(output, as_version=4)
        for cell in notebook.cells:
            if "figures.save" in cell.source:
                assert any("image/png" in o.get("data", {}) for o in cell.outputs), cell.source
        return glued(notebook)

    return run


@pytest.fixture
def execute_here(tmp_path, monkeypatch, no_screen):
    """Return a function that runs a notebook's code in this process, in an empty folder.

    If outputs do not matter, this saves the time to start a kernel and import packages.
    """
    monkeypatch.chdir(tmp_path)

    def run(name, **parameters):
        notebook = load_notebook_node(str(source_of(name)))
        names = {"__name__": "__main__"}
        for cell in parameterize_notebook(notebook, parameters).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, name, "exec"), names)
        return names

    return run


def source_of(name):
    """Return the path of a notebook."""
    return next(path for path in NOTEBOOKS if path.stem == name)


def glued(notebook):
    """Return the numbers that a notebook glues, by name."""
    numbers = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if name := output.get("metadata", {}).get("scrapbook", {}).get("name"):
                text = next(t for m, t in output.data.items() if m.endswith("text/plain"))
                numbers[name.removeprefix("application/papermill.record/")] = float(text)
    return numbers


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    notebook = nbformat.read(path, as_version=4)
    schema, values = cells.parameters_of(notebook)
    scenario = sl.Scenario()
    for name, value in values.items():
        if hasattr(scenario, name) and not isinstance(value, list):
            assert value == getattr(scenario, name), f"{name} is not the paper's"
    check_values(schema, values)
    for code in (c for c in notebook.cells if c.cell_type == "code"):
        if "figures.save" in code.source:
            assert len(code.metadata["mystnb"]["image"]["alt"]) > 80
    assert any("nbval-check-output" in c.metadata.get("tags", []) for c in notebook.cells)
    assert any("assert" in c.source for c in notebook.cells)


def test_every_rule_belongs_to_a_parameter():
    schemas = [cells.parameters_of(cells.read(path))[0] for path in NOTEBOOKS]
    assert not RULES.keys() - {name for schema in schemas for name in schema}


def test_explorer_agrees_with_a_single_run(execute):
    numbers = execute("explorer")
    scenario = sl.Scenario(alpha_max=0.5)
    trace = sl.page_trace(scenario, 12_000, seed=2)
    result = sl.simulate(scenario, trace, V=0.1, burn_in=2_000)
    assert numbers["saving"] == pytest.approx(100 * result.energy_saving, rel=1e-12)
    assert numbers["mean_delay_ms"] == pytest.approx(1e3 * result.mean_delay, rel=1e-12)


def test_fig1_counts_the_macs_of_a_smaller_image(execute, tmp_path):
    numbers = execute("fig1_layer_costs")
    assert numbers["total_macs_millions"] * 1e6 == sl.mobilenet_v2(image_size=32).macs.sum()
    assert numbers["raw_image_mbit"] * 1e6 == 3 * 32 * 32 * 8
    table = pd.read_csv(tmp_path / "data" / "fig1_layer_costs.csv")
    assert len(table) == 20
    assert (tmp_path / "figures" / "fig1_layer_costs.svg").stat().st_size > 10_000


def test_fig2_agrees_with_the_sweep(execute, tmp_path):
    numbers = execute("fig2_energy_delay")
    grid = {"n_slots": 12_000, "burn_in": 2_000, "seeds": 2, "progress": False}
    data = sl.sweep(sl.Scenario(), V=[0.1], alpha_max=[0.1, 1.0], **grid)
    saving = data.energy_saving.mean("seed").squeeze() * 100
    assert numbers["largest_settled_V"] == 0.1
    assert numbers["saving_alpha_0_1"] == pytest.approx(float(saving[0]), rel=1e-12)
    assert numbers["saving_alpha_1"] == pytest.approx(float(saving[1]), rel=1e-12)
    table = pd.read_csv(tmp_path / "data" / "fig2_energy_delay.csv", index_col=["V", "alpha_max"])
    assert table.loc[(0.1, 0.1)].energy_saving == pytest.approx(float(saving[0]) / 100)
    assert table.settled.loc[0.1].all()


def test_fig3_agrees_with_the_sweep(execute, tmp_path):
    numbers = execute("fig3_split_availability")
    assert numbers["highest_V"] == 0.1
    assert numbers["mean_split_scarce"] > numbers["mean_split_plenty"]
    assert numbers["mean_split_third"] > numbers["mean_split_plenty"]
    histogram = pd.read_csv(tmp_path / "data" / "fig3_split_histogram.csv")
    slots = histogram.groupby(["alpha_max", "path_loss_exponent"]).split_histogram.sum()
    assert (slots == 20_000).all()


def test_heavy_tails_agree_with_single_runs(execute, tmp_path):
    length, burn_in = 5_000, 1_000
    numbers = execute("heavy_tails")
    savings, delays = [], []
    for seed in range(4):
        rng = sl.trace_rng(sl.Scenario(), seed)
        for _ in range(4):
            trace = sl.draw_trace(sl.Scenario(), length, rng=rng)
            result = sl.simulate(sl.Scenario(), trace, policy="full_offloading", burn_in=burn_in)
            savings.append(result.energy_saving)
            delays.append(result.mean_delay)
    assert numbers["saving_median_percent"] == pytest.approx(100 * np.median(savings), rel=1e-9)
    assert numbers["mean_delay_lowest_alpha_1_ms"] == pytest.approx(1e3 * min(delays), rel=1e-9)
    assert numbers["paper_saving_rank"] == np.mean(np.array(savings) < 0.9935)
    # The tail constants of host and radio add; that of the host is proportional to 1 / alpha_max.
    host = 10 * sl.Scenario().profile.remote_flops[0] / sl.XAVIER_NX.flops_per_second
    difference = numbers["kappa_alpha_0_1_ms"] - numbers["kappa_alpha_1_ms"]
    assert difference == pytest.approx(1e3 * host * (10 - 1), rel=1e-9)
    assert len(pd.read_csv(tmp_path / "data" / "heavy_savings.csv")) == 80 + 16 + 4


def test_rate_saturation_agrees_with_the_sweep(execute, tmp_path):
    run = {"n_slots": 12_000, "burn_in": 2_000, "seeds": 2}
    numbers = execute("rate_saturation")
    data = sl.sweep(sl.Scenario(), V=0.01, **run, progress=False)
    inside = 100 * data.rate_inside.mean("seed").item()
    assert inside > 0
    assert numbers["rate_inside_paper"] == pytest.approx(inside, rel=1e-12)
    scenario = sl.Scenario()
    time = scenario.profile.local_flops[-1] / scenario.device.flops_per_second
    power = sl.JETSON_TX2.energy(scenario.network).sum() / time
    assert numbers["computing_power_w"] == pytest.approx(power, rel=1e-12)
    assert numbers["kkt_residual_max"] < 1e-11
    table = pd.read_csv(tmp_path / "data" / "rate_saturation_worth.csv")
    assert set(table.setting) == {"paper", "matters"}


def test_rivals_agree_with_single_runs(execute, tmp_path):
    numbers = execute("rivals")
    scenario = sl.Scenario(alpha_max=0.1)
    traces = [sl.draw_trace(scenario, 12_000, sl.trace_rng(scenario, seed)) for seed in range(2)]
    for name in ("controller", "myopic_saving"):
        policy = "adaptive" if name == "controller" else "myopic"
        runs = [sl.simulate(scenario, trace, V=0.1, policy=policy, burn_in=2_000)
                for trace in traces]  # fmt: skip
        saving = 100 * np.mean([run.energy_saving for run in runs])
        assert numbers[f"{name}_alpha_0_1_beta_3"] == pytest.approx(saving, rel=1e-12)
    bounds = [sl.lower_bound(scenario, trace.after(2_000)).energy_saving for trace in traces]
    assert numbers["front_bound"] == pytest.approx(100 * np.mean(bounds), rel=1e-12)
    assert numbers["lead_alpha_0_1_beta_3"] == pytest.approx(
        numbers["controller_alpha_0_1_beta_3"] - numbers["rival_alpha_0_1_beta_3"], abs=1e-9
    )
    # The main table's bottleneck is one point of the grid, so the grid's best is no worse.
    table = pd.read_csv(tmp_path / "data" / "rivals.csv")
    row = table[(table.policy == "bottleneck") & (table.alpha_max == 1)].iloc[0]
    assert row.keeps_delay
    assert row.keeps_outage
    assert numbers["best_bottleneck_alpha_1_beta_3"] >= 100 * row.energy_saving - 1
    # Parameters of the policies that the text mentions.
    rule = sl.policies.retransmission(scenario, traces[0])
    share = 1 / numbers["retransmission_factor"] + numbers["retransmission_percent"] / 100
    assert rule.offload_bits[0] == pytest.approx(share * scenario.profile.offload_bits[0])
    assert set(pd.read_csv(tmp_path / "data" / "rivals_frontier.csv").d_avg) == {5e-3, 2e-2, 5e-2}


def test_exact_rule_agrees_with_single_runs(execute, tmp_path):
    numbers = execute("exact_rule")
    strong = sl.Scenario(p_max=1.0)
    energy = {"adaptive": [], "exact": []}
    for seed in range(2):
        trace = sl.draw_trace(strong, 12_000, sl.trace_rng(strong, seed))
        for policy, found in energy.items():
            result = sl.simulate(strong, trace, V=0.1, policy=policy, burn_in=2_000)
            found.append(result.mean_energy)
    extra = np.mean(np.divide(energy["adaptive"], energy["exact"]) - 1)
    assert extra > 0.1
    assert numbers["extra_strong"] == pytest.approx(100 * extra, rel=1e-12)
    assert numbers["extra_at_1000_mw_paper"] == pytest.approx(100 * extra, rel=1e-12)
    assert numbers["extra_at_10_mw_paper"] == pytest.approx(0, abs=1e-9), "p_max = p_min"
    # The terms that (17) omits, from the slots themselves.
    slots = sl.simulate(strong, trace, V=0.1, policy="exact", burn_in=2_000, history=True).history
    late = slots.delay[2_000:] > 0.1
    half = (np.var(slots.delay[2_000:]) + (slots.delay[2_000:].mean() - 0.05) ** 2) / 2
    half += (late.mean() * 0.99**2 + (1 - late.mean()) * 0.01**2) / 2
    table = pd.read_csv(tmp_path / "data" / "exact_rule_V.csv")
    row = table[(table.setting == "strong") & (table.V == 0.1) & (table.policy == "exact")]
    first = sl.draw_trace(strong, 12_000, sl.trace_rng(strong, 0))
    other = sl.simulate(strong, first, V=0.1, policy="exact", burn_in=2_000, history=True).history
    y, x = other.delay[2_000:] - 0.05, (other.delay[2_000:] > 0.1) - 0.01
    both = (half + (np.mean(y**2) + np.mean(x**2)) / 2) / 2
    assert row.half_square.item() == pytest.approx(both, rel=1e-9)


def test_convergence_agrees_with_single_runs(execute, tmp_path):
    numbers = execute("convergence")
    scenario = sl.Scenario(alpha_max=1.0)
    Z, slots = [], []
    for seed in range(3):  # rebuild the queue from the delays, without the loop's sums
        trace = sl.draw_trace(scenario, 100_000, rng=sl.trace_rng(scenario, seed))
        trace = sl.Trace(trace.gain[:60_000], trace.availability[:60_000], trace.arrivals[:60_000])
        delay = sl.simulate(scenario, trace, V=3.0, burn_in=0, history=True).history.delay
        walk = np.concatenate([[0.0], np.cumsum(delay - scenario.d_avg)[:-1]])
        queue = walk - np.minimum.accumulate(walk)
        Z.append(queue[30_000:].mean())
        slots.append(np.flatnonzero(queue >= 0.9 * Z[-1])[0])
    assert numbers["Z_per_V_slow"] * 3.0 == pytest.approx(np.mean(Z), rel=1e-9)
    assert numbers["settling_per_V"] * 3.0 == np.median(slots)
    assert numbers["causality_changes"] == numbers["drift_bound_violations"] == 0
    assert numbers["crn_variance_ratio"] > 1
    table = pd.read_csv(tmp_path / "data" / "convergence_queues.csv")
    assert len(table) == 3 * 3 * 3


def test_frontier_gap_agrees_with_minimizing_each_slot(execute, tmp_path):
    n_slots, burn_in, V = 6_000, 2_000, 0.3
    numbers = execute("frontier")
    table = pd.read_csv(tmp_path / "data" / "frontier_gap.csv", index_col=["unit", "V"])
    gap = table.loc[(1.0, V)]
    scenario = sl.Scenario(alpha_max=0.3)
    trace = sl.draw_trace(scenario, n_slots, rng=sl.trace_rng(scenario, 3))
    slots = sl.simulate(scenario, trace, V=V, burn_in=burn_in, history=True).history
    # The excess of each slot's priced cost over the least of all cuts at the two power limits. The
    # rate is hardly ever between these limits, so the excess is practically never negative.
    profile, n = scenario.profile, trace.arrivals[:, None, None]
    powers = np.array([scenario.p_min, scenario.p_max])
    rate = sl.channel.rate(
        powers, trace.gain[:, None, None], scenario.bandwidth, scenario.noise_psd
    )
    delay = n * (
        (scenario.device.delay(profile.local_flops))[:, None]
        + scenario.host.delay(profile.remote_flops)[:, None] / trace.availability[:, None, None]
        + profile.offload_bits[:, None] / rate
    )
    energy = n * (profile.local_energy[:, None] + powers * profile.offload_bits[:, None] / rate)

    def priced(energy, delay):
        outage = delay > scenario.d_max
        return energy + gap.delay_price * delay + gap.outage_price * outage

    least = priced(energy, delay).min(axis=(1, 2))
    excess = (priced(slots.energy, slots.delay) - least)[burn_in:]
    assert gap.priced_gap == pytest.approx(excess.mean(), rel=0.02)
    assert gap.priced_gap > 0
    assert numbers["n_points"] == 5
    assert numbers["least_room_points"] >= 0
    # At the paper's limit, the frontier has the same saving as the bound.
    frontier = pd.read_csv(tmp_path / "data" / "frontier.csv")
    at_limit = frontier.energy_saving[np.isclose(frontier.mean_delay, scenario.d_avg)]
    assert 100 * at_limit.item() == pytest.approx(numbers["bound_saving_alpha_0_3"], abs=0.02)


def test_cost_of_memory_agrees_with_single_runs(execute, tmp_path):
    numbers = execute("beyond_iid")
    scenario = sl.Scenario(alpha_max=0.1)
    models = {
        "none": {},
        "channel": {"fading": sl.GaussMarkovFading(np.exp(-1 / 200))},
        "host": {"availability": sl.MarkovAvailability(np.exp(-1 / 100))},
    }
    models["both"] = models["channel"] | models["host"]
    for kind, memory in models.items():
        gaps = []
        for seed in range(2):
            trace = sl.draw_trace(scenario, 30_000, sl.trace_rng(scenario, seed), **memory)
            slots = sl.simulate(scenario, trace, V=1.0, burn_in=0, history=True).history
            trace = trace.after(5_000)
            bound = sl.lower_bound(scenario, trace, tolerance=2e-4)
            late = slots.delay[5_000:]
            priced = slots.energy[5_000:].mean() - bound.energy
            priced += bound.delay_price * (late.mean() - 0.05)
            priced += bound.outage_price * ((late > 0.1).mean() - 0.01)
            images = trace.arrivals.mean()
            gaps.append(100 * priced / (images * scenario.profile.local_energy[-1]))
        assert numbers[f"gap_{kind}_value"] == pytest.approx(np.mean(gaps), rel=1e-6)
    assert numbers["gap_both_value"] > numbers["gap_none_value"] > 0
    assert numbers["worst_excess_percent"] < 5
    # Slots of d_max at 3.5 GHz; to first order J0(x) = 1 - x ** 2 / 4 and rho = 1 - 1 / (2 tau).
    speed = np.sqrt(2 / 100) / (2 * np.pi * 0.1) * 299_792_458 / 3.5e9
    assert numbers["slow_cm_per_s"] == pytest.approx(100 * speed, rel=0.01)
    table = pd.read_csv(tmp_path / "data" / "beyond_iid_runs.csv")
    assert len(table) == (1 + 2 + 2 + 1 + 2) * 2 * 2


def test_single_values_are_accepted_in_place_of_lists(execute_here):
    run = {"n_slots": 12_000, "burn_in": 2_000, "seeds": 2, "V": 0.1, "alpha_max": 0.3}
    numbers = execute_here("fig2_energy_delay", **run)["numbers"]
    assert 0 < numbers["saving_alpha_0_3"].value < 100
    numbers = execute_here("fig3_split_availability", **run, path_loss_exponent=4.0)["numbers"]
    assert numbers["highest_V"] == 0.1
    del run["alpha_max"]
    numbers = execute_here("beyond_iid", **run, correlation_times=50.0)["numbers"]
    assert numbers["longest"] == 50


@pytest.mark.parametrize(("name", "parameters", "sentence"), [
    ("beyond_iid", {"busy_share": 1.5}, r"busy_share must be a finite number in \(0, 1\), got 1.5"),
    ("convergence", {"burn_in": 200_000}, "burn_in must be less than the 200000 slots"),
    ("exact_rule", {"energy_scale": -1.0}, "energy_scale must be a finite number"),
    ("explorer", {"V": -1.0}, r"V must be a finite number in \(0, inf\), got -1.0"),
    ("fig1_layer_costs", {"bits_per_element": 0}, "bits_per_element must be an integer"),
    ("fig2_energy_delay", {"alpha_max": 1.5}, r"alpha_max must be a finite number in \(0, 1\]"),
    ("fig2_energy_delay", {"p_min": 1.0}, "p_min must not exceed p_max = 0.1, got 1.0"),
    ("frontier", {"alpha_max": [1.5]}, r"alpha_max\[0\] must be a finite number in \(0, 1\]"),
    ("heavy_tails", {"block": 3_000}, "must be multiples of block = 3000"),
    ("fig3_split_availability", {"n_slots": 0}, "n_slots must be an integer of at least 1, got 0"),
    ("rate_saturation", {"energy_scale_matters": -1.0}, "energy_scale_matters must be a"),
    ("rivals", {"seeds": 0}, "seeds must be an integer of at least 1, got 0"),
])  # fmt: skip
def test_bad_parameters_are_refused(execute_here, tmp_path, name, parameters, sentence):
    with pytest.raises(Exception, match=sentence):
        execute_here(name, **parameters)
    assert not (tmp_path / "data").exists()


def test_misspelt_parameters_are_refused_under_plain_papermill(execute, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match="did you mean 'image_size'"):
        execute("fig1_layer_costs", image_sise=32)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_executed_tables_agree_with_the_accepted_ones(path, root):
    """Compare the full-length tables from `make book`, to show which number has changed."""
    executed = root / "book" / "executed" / path.stem / "index.ipynb"
    if not executed.is_file():
        pytest.fail("there is no executed notebook: run `make figures` first", pytrace=False)
    fresh = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells}
    for cell in nbformat.read(path, as_version=4).cells:
        if "nbval-check-output" in cell.metadata.get("tags", []):
            ours, theirs = (
                [output.data.get("text/plain") for output in c.outputs if "data" in output]
                for c in (fresh[cell.id], cell)
            )
            assert theirs, f"no table is accepted: run `make accept`\n{cell.source}"
            assert ours == theirs, "a number has moved; `make accept` takes it over"


def test_assumptions_judge_the_claims_of_a_small_run(execute, tmp_path):
    run = {"n_slots": 30_000, "burn_in": 2_000, "seeds": 2}
    numbers = execute("assumptions")
    for name, scenario in (
        ("ours", sl.Scenario()),
        ("raw_8_bit", sl.Scenario(raw_bits_per_element=8)),
        ("surrogate", sl.Scenario(split_objective="surrogate")),
    ):
        best = numbers[f"{name}_V"]
        data = sl.sweep(scenario, V=best, alpha_max=0.1, **run, progress=False)
        saving = 100 * data.energy_saving.mean("seed").item()
        assert numbers[f"{name}_saving_alpha_0_1"] == pytest.approx(saving, rel=1e-12)
    table = pd.read_csv(tmp_path / "data" / "assumptions.csv")
    listed = {claim.id: claim for claim in claims.load()}
    for (claim, reading), rows in table.groupby(["claim", "reading"]):
        values = {row.number: sl.Interval(row.value, row.lower, row.upper)
                  for row in rows.itertuples()}  # fmt: skip
        assert listed[claim].judge(values) == rows.verdict.iloc[0], reading
