"""Small parameters, with which each notebook runs in seconds."""

import ast

from tools import cells

_RUN = {"n_slots": 12_000, "burn_in": 2_000, "seeds": 2}
_GRID = _RUN | {"alpha_max": [0.1, 1.0], "V": [0.01, 0.1]}

SMALL_RUNS = {
    "assumptions": {
        "n_slots": 30_000, "burn_in": 2_000, "seeds": 2, "V": [1e-4, 1e-3, 0.1],
        "alpha_max_fig3": [0.01, 0.1, 1.0],
    },
    "beyond_iid": {
        "n_slots": 30_000, "burn_in": 5_000, "seeds": 2, "V": [0.1, 1.0],
        "correlation_times": [10.0, 100.0],
    },
    "convergence": {
        "V": [0.3, 1.0, 3.0], "rate_V": [0.3, 3.0], "paper_V": [0.1, 1.0, 3.0, 10.0],
        "compared_V": [3.0, 1.0], "long_slots": 100_000, "n_slots": 20_000, "burn_in": 2_000,
        "seeds": 3, "many_seeds": 12,
    },
    "exact_rule": _RUN | {
        "V": [0.1, 1.0], "V_paper": 0.1, "V_cheap": 1.0, "p_max_grid": [0.01, 1.0],
    },
    "explorer": {"n_slots": 12_000, "burn_in": 2_000, "seed": 2, "alpha_max": 0.5, "V": 0.1},
    "fig1_layer_costs": {"image_size": 32, "bits_per_element": 8},
    "fig2_energy_delay": _GRID,
    "fig3_split_availability": _GRID | {"path_loss_exponent": [3.0, 4.0]},
    "frontier": {
        "n_slots": 6_000, "burn_in": 2_000, "long_slots": 6_000, "long_burn_in": 2_000,
        "V": [0.01, 0.3, 30.0], "compared_V": 0.3, "long_V": [0.3, 30.0], "alpha_max": [0.3],
        "seed": 3, "path_loss_exponent": [3.0], "d_avg_grid": [0.01, 0.05, 1e6],
    },
    "heavy_tails": {
        "n_slots": 5_000, "burn_in": 1_000, "run_lengths": [1_000, 5_000, 20_000], "block": 100,
        "long_seeds": 4, "n_largest": 100, "n_largest_adaptive": 20, "alpha_max": [1.0, 0.1],
    },
    "rate_saturation": _RUN | {
        "V": 0.01, "V_grid": [0.01], "V_panels": [0.01], "V_matters": 3.0,
        "energy_scale_grid": [0.1, 0.01], "p_max_grid": [0.1, 1.0], "distance_grid": [50.0],
        "n_slots_map": 12_000, "n_instances": 1000,
    },
    "rivals": _RUN | {
        "V": 0.1, "alpha_max": [0.1, 1.0], "path_loss_exponent": [3.0], "front_V": [0.01, 0.1],
        "front_d_avg": [5e-3, 20e-3, 50e-3], "front_seeds": 1, "own_slots": 1_500,
        "own_burn_in": 500, "grid_seeds": 1, "grid_factor": [8.0], "grid_bits": [8],
    },
}  # fmt: skip


def write_small(source, target):
    """Write a copy of a notebook with small parameters."""
    notebook = cells.read(source)
    _, values = cells.parameters_of(notebook)
    values |= SMALL_RUNS[source.stem]
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    lines = [
        (ast.unparse(n.target), ast.unparse(n.annotation)) for n in ast.parse(cell.source).body
    ]
    cell.source = "\n".join(f"{name}: {kind} = {values[name]!r}" for name, kind in lines)
    cells.write(notebook, target)
