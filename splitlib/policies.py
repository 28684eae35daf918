"""Policies: which splitting points may be taken, and at which rate the features are sent.

A policy is a function of the scenario that returns the `Rule` by which the slot loop runs. All
have this one signature, so that they interchange; `POLICIES` lists them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from splitlib.scenario import Scenario


class Rule(NamedTuple):
    """What the slot loop is told by a policy.

    Attributes
    ----------
    splits : range
        Splitting points that may be taken; the best of them by (17) is.
    at_p_max : bool
        Whether features are sent at the largest power, rather than at the rate of (19).
    """

    splits: range
    at_p_max: bool


def adaptive(scenario: Scenario) -> Rule:
    """Return the paper's controller: rate by (19), splitting point by (17)."""
    return Rule(range(len(scenario.network.stages) + 1), at_p_max=False)


def full_offloading(scenario: Scenario) -> Rule:
    """Return the paper's benchmark that sends each raw image, at the largest power."""
    return Rule(range(1), at_p_max=True)


def full_local(scenario: Scenario) -> Rule:
    """Return the benchmark that computes everything on the device and sends nothing."""
    n_stages = len(scenario.network.stages)
    return Rule(range(n_stages, n_stages + 1), at_p_max=True)


#: The policies that `splitlib.simulate` and `splitlib.sweep` know by name.
POLICIES: dict[str, Callable[[Scenario], Rule]] = {
    policy.__name__: policy for policy in (adaptive, full_offloading, full_local)
}
