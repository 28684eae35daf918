"""Adaptive splitting of deep neural networks between a device and an edge host.

The mathematics of Labriji et al., "Energy-efficient cooperative inference via adaptive deep
neural network splitting at the edge", IEEE ICC 2023: the cost of a network at each splitting point,
the radio channel and the host in each slot, and the online controller that chooses splitting point
and rate. SI units throughout.

Examples
--------
>>> import splitlib as sl
>>> scenario = sl.Scenario(alpha_max=0.1)
>>> trace = sl.draw_trace(scenario, n_slots=50_000, rng=0)
>>> result = sl.simulate(scenario, trace, V=1.0)
>>> result.mean_delay < scenario.d_avg and result.outage < scenario.epsilon
True
"""

import importlib
from types import ModuleType

from splitlib import channel, policies
from splitlib.board import JETSON_TX2, XAVIER_NX, Board
from splitlib.bound import Bound, Infeasible, lower_bound
from splitlib.compare import compare, comparison
from splitlib.loop import Rule, Slot, slot_costs
from splitlib.network import (
    Conv2d,
    DepthwiseConv2d,
    GlobalAveragePool,
    Linear,
    Network,
    Pool2d,
    Stage,
)
from splitlib.policies import POLICIES, online, register
from splitlib.scenario import Profile, Scenario
from splitlib.simulate import (
    SETTLED_TOLERANCE,
    History,
    Result,
    settled,
    simulate,
    summary,
    sweep,
    sweep_scenarios,
)
from splitlib.statistics import (
    Interval,
    batch_means,
    confidence_interval,
    over_seeds,
    tail_exponent,
)
from splitlib.trace import (
    GaussMarkovFading,
    MarkovAvailability,
    Trace,
    draw_trace,
    page_trace,
    trace_rng,
)
from splitlib.zoo import mobilenet_v2

__version__ = "0.2.0"

__all__ = [
    "JETSON_TX2",
    "POLICIES",
    "SETTLED_TOLERANCE",
    "XAVIER_NX",
    "Board",
    "Bound",
    "Conv2d",
    "DepthwiseConv2d",
    "GaussMarkovFading",
    "GlobalAveragePool",
    "History",
    "Infeasible",
    "Interval",
    "Linear",
    "MarkovAvailability",
    "Network",
    "Pool2d",
    "Profile",
    "Result",
    "Rule",
    "Scenario",
    "Slot",
    "Stage",
    "Trace",
    "batch_means",
    "channel",
    "compare",
    "comparison",
    "confidence_interval",
    "draw_trace",
    "lower_bound",
    "mobilenet_v2",
    "online",
    "over_seeds",
    "page_trace",
    "policies",
    "register",
    "settled",
    "simulate",
    "slot_costs",
    "summary",
    "sweep",
    "sweep_scenarios",
    "tail_exponent",
    "trace_rng",
]


def __getattr__(name: str) -> ModuleType:
    """Import modules with optional dependencies only on first use."""
    if name in ("explorer", "figures"):
        return importlib.import_module(f"splitlib.{name}")
    raise AttributeError(f"module 'splitlib' has no attribute {name!r}")
