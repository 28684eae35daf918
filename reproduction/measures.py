"""Quantities measured for each of the paper's claims, on a scenario and on sweeps.

Each function returns numbers by name, with their confidence intervals (NaN if a number is certain).
The notebooks of the figures and the one on other readings of the paper use the same functions, so
that a claim is measured the same way everywhere. A name ends in the value that it belongs to:
``saving_alpha_0_5`` is the saving at α_max = 0.5.

The level of all intervals is 95 %: Student's t over the seeds for means and differences (paired
between policies and between V, which share their traces), Clopper and Pearson's for shares of runs,
and that of the sign test for medians. A share of *pairs* or *points* tells how often an order
holds; it has no interval.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from splitlib import (
    SETTLED_TOLERANCE,
    Conv2d,
    DepthwiseConv2d,
    Interval,
    Scenario,
    mobilenet_v2,
    over_seeds,
    settled,
)
from splitlib._check import check_instance

#: The saving that the paper states for full offloading.
PAPER_OFFLOADING_SAVING = 0.9935


def certain(value: Any) -> Interval:
    """Return a number that has no uncertainty."""
    return Interval(float(value), math.nan, math.nan)


def share_of_runs(holds: Any) -> Interval:
    """Return the share of independent runs for which a statement holds.

    Parameters
    ----------
    holds : array_like of bool
        Whether it holds, for each run.

    Returns
    -------
    Interval
        With Clopper and Pearson's exact 95 % interval.

    Examples
    --------
    >>> share_of_runs([True, True, True, False]).value
    0.75
    """
    holds = np.asarray(holds, dtype=bool)
    found = stats.binomtest(int(holds.sum()), holds.size).proportion_ci(0.95)
    return Interval(float(holds.mean()), float(found.low), float(found.high))


def tag(value: float) -> str:
    """Return a value as a suffix for names.

    Examples
    --------
    >>> tag(0.5), tag(3.0)
    ('0_5', '3')
    """
    return f"{value:g}".replace(".", "_")


def of_inputs(scenario: Scenario) -> dict[str, Interval]:
    """Return the scenario's value of every number given in the paper's Section IV.

    Parameters
    ----------
    scenario : Scenario

    Returns
    -------
    dict of str to Interval
        In the paper's units, which end the names.
    """
    check_instance("scenario", scenario, Scenario)
    device, host = scenario.device, scenario.host
    values = {
        "device_tflops": device.flops_per_second / 1e12,
        "host_tflops": host.flops_per_second / 1e12,
        "energy_a": device.a,
        "energy_b": device.b,
        "energy_a_prime": device.a_prime,
        "bits_per_element": scenario.bits_per_element,
        "distance_m": scenario.distance,
        "carrier_ghz": scenario.carrier_frequency / 1e9,
        "bandwidth_mhz": scenario.bandwidth / 1e6,
        "noise_psd_dbm_hz": 10 * math.log10(scenario.noise_psd) + 30,
        "path_loss_exponent": scenario.path_loss_exponent,
        "p_min_mw": scenario.p_min * 1e3,
        "p_max_mw": scenario.p_max * 1e3,
        "arrival_rate": scenario.arrival_rate,
        "d_avg_ms": scenario.d_avg * 1e3,
        "d_max_ms": scenario.d_max * 1e3,
        "epsilon": scenario.epsilon,
        "flops_per_mac": scenario.flops_per_mac,
        "fading_power": scenario.fading_power,
        "path_gain_db": 10 * math.log10(scenario.path_gain),
    }
    return {f"input_{name}": certain(value) for name, value in values.items()}


def of_costs(scenario: Scenario) -> dict[str, Interval]:
    """Return the properties of the network that the paper states around Fig. 1.

    Parameters
    ----------
    scenario : Scenario
        Must use MobileNetV2, for which (1) and (6) as printed are compared with the exact counts.

    Returns
    -------
    dict of str to Interval
    """
    check_instance("scenario", scenario, Scenario)
    network, profile = scenario.network, scenario.profile
    size = network.input_shape[-1]
    true, printed = (mobilenet_v2(image_size=size, arithmetic=form) for form in ("exact", "paper"))
    layers = [layer for _, layer, _ in network.layers()]
    convolutions = [layer for layer in layers if isinstance(layer, (Conv2d, DepthwiseConv2d))]
    inner = slice(1, -1)  # cuts at which a feature map is sent
    layer_error = [
        layer.macs(shape, "paper") / layer.macs(shape, "exact") - 1
        for _, layer, shape in true.layers()
        if isinstance(layer, (Conv2d, DepthwiseConv2d))
    ]
    size_error = printed.output_elements[inner] / true.output_elements[inner] - 1
    sent = profile.offload_bits[:-1]
    values = {
        "convolutional_layers": len(convolutions),
        "splitting_points": profile.offload_bits.size,
        "total_macs_millions": network.macs.sum() / 1e6,
        "local_macs_at_first_cut": profile.local_flops[0] / scenario.flops_per_mac,
        "bits_at_last_cut": profile.offload_bits[-1],
        "local_macs_rise": np.mean(np.diff(profile.local_flops) > 0),
        "size_ratio": sent.max() / sent.min(),
        "raw_image_mbit": sent[0] / 1e6,
        "eq1_error_percent": 100 * abs(printed.macs.sum() / true.macs.sum() - 1),
        "eq1_layer_error_percent": 100 * np.abs(layer_error).max(),
        "eq6_error_percent": 100 * np.abs(size_error).max(),
        "energy_per_image_mj": profile.local_energy[-1] * 1e3,
        "local_delay_ms": float(scenario.device.delay(profile.local_flops[-1])) * 1e3,
    }
    return {name: certain(value) for name, value in values.items()}


def largest_settled(adaptive: xr.Dataset, scenario: Scenario) -> float:
    """Return the largest V of a sweep that has settled at every point of the other axes.

    Parameters
    ----------
    adaptive : xarray.Dataset
        From `splitlib.sweep`.
    scenario : Scenario
        Gives the limits.

    Returns
    -------
    float
        In s²/J.

    Raises
    ------
    ValueError
        If no V has settled.
    """
    done = settled(adaptive, scenario)
    everywhere = done.all([dim for dim in done.dims if dim != "V"])
    if not everywhere.any():
        raise ValueError("no V has settled: take more slots or smaller values of V")
    return float(adaptive.V[everywhere].max())


def of_tradeoff(
    adaptive: xr.Dataset, offloading: xr.Dataset, scenario: Scenario, V: float = 3.0
) -> dict[str, Interval]:
    """Return the quantities that the paper discusses around Fig. 2.

    Parameters
    ----------
    adaptive, offloading : xarray.Dataset
        Sweeps of the adaptive method over V and α_max, and of full offloading over the same α_max
        and seeds, at one path-loss exponent.
    scenario : Scenario
        Gives the limits.
    V : float
        Weight of the rightmost points of Fig. 2, one of the sweep's. The paper does not state it;
        the largest that settles within the paper's run is 3 s²/J.

    Returns
    -------
    dict of str to Interval

    Raises
    ------
    ValueError
        If the sweep has no such V.
    """
    if V not in adaptive.V.values:
        raise ValueError(f"V must be one of the sweep's {adaptive.V.values.tolist()}, got {V!r}")
    adaptive = adaptive.squeeze("path_loss_exponent", drop=True).sortby(["V", "alpha_max"])
    offloading = offloading.squeeze(["V", "path_loss_exponent"], drop=True).sortby("alpha_max")
    upto = adaptive.sel(V=slice(None, V))
    saving = 100 * adaptive.energy_saving.sel(V=V)
    lead = 100 * offloading.energy_saving - saving
    last_step = 100 * upto.energy_saving.isel(V=slice(-2, None)).diff("V").sum("V", skipna=False)
    delay = adaptive.mean_delay / scenario.d_avg
    outage = adaptive.outage / max(scenario.epsilon, 1e-300)
    allowed = 1 + SETTLED_TOLERANCE
    kept = (upto.mean_delay / scenario.d_avg <= allowed) & (
        upto.outage <= scenario.epsilon * allowed
    )
    numbers = {
        "V": certain(V),
        "delay_ratio": certain(delay.sel(V=V).mean("seed").max()),
        "outage_ratio": certain(outage.sel(V=V).mean("seed").max()),
        "delay_points_within": certain((delay.mean("seed") <= allowed).mean()),
        "outage_points_within": certain((outage.mean("seed") <= allowed).mean()),
        "delay_ratio_largest_V": certain(delay.isel(V=-1).mean("seed").max()),
        "traces_within_limits": share_of_runs(kept.all("V").values.ravel()),
        "saving_rises_with_V": certain(_rises(upto.energy_saving.mean("seed"), "V")),
        "delay_rises_with_V": certain(_rises(upto.mean_delay.mean("seed"), "V")),
        "offloading_saving_percent": _median(100 * offloading.energy_saving),
        "offloading_saving_rank": share_of_runs(offloading.energy_saving < PAPER_OFFLOADING_SAVING),
        "offloading_outage_order": certain(_rises(-offloading.outage, "alpha_max")),
    }
    for alpha in adaptive.alpha_max.values:
        end = f"_alpha_{tag(float(alpha))}"
        sent = offloading.sel(alpha_max=alpha)
        numbers |= {
            f"saving{end}": over_seeds(saving.sel(alpha_max=alpha)),
            f"saving_last_step{end}": over_seeds(last_step.sel(alpha_max=alpha)),
            f"offloading_lead{end}": over_seeds(lead.sel(alpha_max=alpha)),
            f"offloading_over_limit{end}": share_of_runs(sent.mean_delay > scenario.d_avg),
            f"offloading_outage{end}": over_seeds(100 * sent.outage),
        }
    alphas = adaptive.alpha_max.values.tolist()
    for less, more in pairwise(alphas):
        name = f"saving_gained_{tag(less)}_to_{tag(more)}"
        numbers[name] = over_seeds(saving.sel(alpha_max=more) - saving.sel(alpha_max=less))
    return numbers


def of_splits(data: xr.Dataset) -> dict[str, Interval]:
    """Return the quantities that the paper discusses around Fig. 3.

    Parameters
    ----------
    data : xarray.Dataset
        Sweep of the adaptive method over α_max and the path-loss exponent, at one V.

    Returns
    -------
    dict of str to Interval
        In the names, "scarce" and "plenty" mean the smallest and the largest α_max of the sweep.
    """
    data = data.squeeze("V", drop=True).sortby(["alpha_max", "path_loss_exponent"])
    exponents = data.path_loss_exponent.values.tolist()
    scarce, plenty = data.isel(alpha_max=0), data.isel(alpha_max=-1)
    share = 100 * data.split_histogram / data.split_histogram.sum("split")
    lost = 100 * (plenty.energy_saving - scarce.energy_saving)
    numbers: dict[str, Interval] = {}
    for exponent in exponents:
        end, here = f"_beta_{tag(exponent)}", {"path_loss_exponent": exponent}
        mean, std = data.mean_split.sel(here), data.std_split.sel(here)
        local = share.sel(here)[{"split": -1}]
        widest = std[std.mean("seed").argmax(["alpha_max"])]
        numbers |= {
            f"split_falls{end}": certain(_rises(-mean.mean("seed"), "alpha_max")),
            f"split_scarce{end}": over_seeds(mean[{"alpha_max": 0}]),
            f"split_plenty{end}": over_seeds(mean[{"alpha_max": -1}]),
            f"std_scarce{end}": over_seeds(std[{"alpha_max": 0}]),
            f"std_plenty{end}": over_seeds(std[{"alpha_max": -1}]),
            f"std_rise{end}": over_seeds(widest - std[{"alpha_max": 0}]),
            f"std_fall{end}": over_seeds(widest - std[{"alpha_max": -1}]),
            f"saving_lost{end}": over_seeds(lost.sel(here)),
            f"saving_plenty{end}": over_seeds(100 * plenty.energy_saving.sel(here)),
            f"local_scarce{end}": over_seeds(share.sel(here)[{"alpha_max": 0, "split": -1}]),
            f"local_most{end}": over_seeds(local[local.mean("seed").argmax(["alpha_max"])]),
            f"raw_plenty{end}": over_seeds(share.sel(here)[{"alpha_max": -1, "split": 0}]),
        }
    for less, more in pairwise(exponents):
        end = f"_{tag(less)}_to_{tag(more)}"
        steps = data.sel(path_loss_exponent=more) - data.sel(path_loss_exponent=less)
        numbers |= {
            f"split_rises{end}": certain((steps.mean_split.mean("seed") > 0).mean()),
            f"std_falls{end}": certain((steps.std_split.mean("seed") < 0).mean()),
            f"split_rise_plenty{end}": over_seeds(steps.mean_split[{"alpha_max": -1}]),
            f"std_fall_plenty{end}": over_seeds(-steps.std_split[{"alpha_max": -1}]),
            f"saving_less_plenty{end}": over_seeds(-100 * steps.energy_saving[{"alpha_max": -1}]),
            f"saving_less_scarce{end}": over_seeds(-100 * steps.energy_saving[{"alpha_max": 0}]),
            f"saving_lost_more{end}": over_seeds(
                lost.sel(path_loss_exponent=more) - lost.sel(path_loss_exponent=less)
            ),
        }
    return numbers


def _rises(data: xr.DataArray, dim: str) -> float:
    """Return the share of neighbouring pairs along ``dim`` whose second value is larger."""
    steps = data.diff(dim)
    return float((steps > 0).mean()) if steps.size else math.nan


def _median(data: xr.DataArray) -> Interval:
    """Return the median of all runs, with its distribution-free 95 % interval."""
    runs = data.values.ravel()
    found = stats.quantile_test(runs, p=0.5).confidence_interval(0.95)
    return Interval(float(np.median(runs)), float(found.low), float(found.high))
