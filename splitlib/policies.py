r"""Policies: the paper's controller, its benchmarks, and its rivals from the literature.

A policy is a function of the scenario and the measured part of the trace. It returns a
`splitlib.loop.Rule`, or a function that decides one `splitlib.loop.Slot` at a time. All policies
share this signature and are interchangeable. Their parameters are keywords with defaults; set
others with `functools.partial`:

>>> from functools import partial
>>> import splitlib as sl
>>> gentle = partial(sl.policies.bottleneck, split=3, factor=8)
>>> scenario = sl.Scenario()
>>> trace = sl.draw_trace(scenario, n_slots=50_000, rng=0)
>>> sl.simulate(scenario, trace, policy=gentle).policy
'bottleneck(split=3, factor=8)'

`register` gives a policy a name and a label for simulations, figures, tables and the slider panel.

Most policies see one slot at a time. `best_static`, `auto_split` and `clairvoyant` see the whole
trace in advance, which is impossible in practice: they bound what policies of their kind can do.

The methods from the literature are adapted from other models; each docstring says what is
simplified. Unless stated otherwise, they send at the largest rate and ignore the limits of (12).
The model has no accuracy, so a method is not charged for losing some.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np

from splitlib import kernel
from splitlib._check import check_choice, check_instance, check_integer, check_real
from splitlib.bound import (
    MOST_DOUBLINGS,
    Bound,
    lower_bound,
    means_of,
    priced,
    raise_prices,
)
from splitlib.loop import Decide, Rule, Slot
from splitlib.network import Conv2d, Network
from splitlib.scenario import Scenario
from splitlib.trace import Trace

PolicyFunction: TypeAlias = Callable[[Scenario, Trace], Rule | Decide]


class Hindsight(NamedTuple):
    """How a policy decides that sees the whole trace in advance.

    Attributes
    ----------
    rules : function
        Returns, for a scenario, the rules to choose from.
    choice : {"least energy", "least delay", "best prices"}
        Takes the rule of least mean energy within both limits; that of least mean delay; or the
        only rule, at the prices of the bound.
    """

    rules: Callable[[Scenario], list[Rule]]
    choice: Literal["least energy", "least delay", "best prices"]


@dataclass(frozen=True)
class Policy:
    """An entry of `POLICIES`; call it like its function.

    Attributes
    ----------
    name : str
        Name, for `splitlib.simulate` and the like.
    label : str
        Display name in figures and tables.
    function : function
        Of scenario and trace.
    hindsight : Hindsight, optional
        For a policy that sees the whole trace in advance.
    compresses : bool
        Whether it sends fewer bits than the network's own features have. `splitlib.lower_bound`
        assumes the unmodified network, so such a policy may beat it.
    """

    name: str
    label: str
    function: PolicyFunction
    hindsight: Hindsight | None = None
    compresses: bool = False

    def __call__(self, scenario: Scenario, trace: Trace) -> Rule | Decide:
        """Return the rule or function that decides each slot."""
        return self.function(scenario, trace)


#: All registered policies by name; figures and tables number them in this order.
POLICIES: dict[str, Policy] = {}

_Function = TypeVar("_Function", bound=PolicyFunction)


def register(
    label: str,
    *,
    name: str | None = None,
    hindsight: Hindsight | None = None,
    compresses: bool = False,
) -> Callable[[_Function], _Function]:
    """Return a decorator that adds a policy to `POLICIES` and returns the function unchanged.

    Parameters
    ----------
    label : str
        Display name in figures and tables.
    name : str, optional
        By default the function's.
    hindsight, compresses
        See `Policy`.

    Returns
    -------
    decorator

    Raises
    ------
    TypeError, ValueError
        If the label is not a text, the name is missing, or another policy has one of them.

    Examples
    --------
    >>> import splitlib as sl
    >>> @sl.register("in the middle")
    ... def middle(scenario, trace):
    ...     return sl.Rule.over(scenario, [len(scenario.network.stages) // 2])
    >>> trace = sl.draw_trace(sl.Scenario(), n_slots=50_000, rng=0)
    >>> sl.simulate(sl.Scenario(), trace, policy="middle").mean_split
    9.0
    >>> del sl.POLICIES["middle"]
    """
    check_instance("label", label, str)
    if label in {policy.label for policy in POLICIES.values()}:
        raise ValueError(f"label must not be that of another policy, got {label!r}")

    def decorator(function: _Function) -> _Function:
        key = name or getattr(function, "__name__", "")
        if not key:
            raise ValueError(f"name must be given for what has none, got {function!r}")
        if key in POLICIES:
            raise ValueError(f"name must not be that of another policy, got {key!r}")
        POLICIES[key] = Policy(key, label, function, hindsight, compresses)
        return function

    return decorator


def online(decide: Callable[[Slot], tuple[int, float]]) -> PolicyFunction:
    """Turn a function that decides one slot at a time into a policy.

    Parameters
    ----------
    decide : function
        Takes a `splitlib.loop.Slot` (all that is known at its beginning) and returns a splitting
        point and a rate in bit/s, from ``slot.rate_min`` to ``slot.rate_max``. It runs in plain
        Python, several hundred times slower than a `Rule`.

    Returns
    -------
    policy
        For `splitlib.simulate`, `splitlib.sweep` and `splitlib.compare`.

    Examples
    --------
    >>> import splitlib as sl
    >>> @sl.online
    ... def cautious(slot):
    ...     delay, energy = slot.costs(slot.rate_max)
    ...     energy[delay > 0.05] = np.inf
    ...     return energy.argmin(), slot.rate_max
    >>> scenario = sl.Scenario()
    >>> trace = sl.draw_trace(scenario, n_slots=2_000, rng=0)
    >>> sl.simulate(scenario, trace, policy=cautious, burn_in=0).outage
    0.0
    """

    @functools.wraps(decide)
    def policy(scenario: Scenario, trace: Trace) -> Decide:
        return decide

    del policy.__wrapped__  # its signature is a different one
    return policy


#: A price of outage that outweighs everything else.
_ANY_PRICE = kernel.FOREVER


@register("the paper's controller")
def adaptive(scenario: Scenario, trace: Trace) -> Rule:
    """Return the paper's controller: rate by (19), splitting point by (17)."""
    return Rule.over(scenario, rate="surrogate", virtual_queues=True)


@register("exact controller")
def exact(scenario: Scenario, trace: Trace) -> Rule:
    """Return the controller that minimizes (17) itself, with its step; see `kernel`.

    Its prices are still the virtual queues, so it needs no statistics either.
    """
    return Rule.over(scenario, rate="exact", virtual_queues=True)


@register("full offloading")
def full_offloading(scenario: Scenario, trace: Trace) -> Rule:
    """Return the paper's benchmark that sends every raw image at the largest power."""
    return Rule.over(scenario, [0])


@register("full local")
def full_local(scenario: Scenario, trace: Trace) -> Rule:
    """Return the benchmark that computes everything on the device and sends nothing."""
    return Rule.over(scenario, [len(scenario.network.stages)])


def static(
    scenario: Scenario,
    trace: Trace,
    *,
    split: int,
    rate: Literal["p_max", "p_min", "d_max"] = "p_max",
) -> Rule:
    """Return the policy that always takes one splitting point.

    Parameters
    ----------
    scenario, trace
    split : int
        The splitting point, 0 to J.
    rate : {"p_max", "p_min", "d_max"}
        The rate at the largest power; at the smallest; or at the smallest power that avoids an
        outage, if there is one.
    """
    check_choice("rate", rate, _STATIC_RATES)
    return _static(scenario, _check_split(scenario, split, 0), rate)


_STATIC_RATES = ("p_max", "p_min", "d_max")


def _static(scenario: Scenario, split: int, rate: str) -> Rule:
    if rate == "p_max":
        return Rule.over(scenario, [split])
    late = _ANY_PRICE if rate == "d_max" else 0.0
    return Rule.over(scenario, [split], rate="exact", energy_price=1.0, outage_price=late)


def static_rules(scenario: Scenario) -> list[Rule]:
    """Return the rules that `best_static` chooses from: each splitting point at each rate."""
    splits = range(len(scenario.network.stages) + 1)
    return [_static(scenario, split, rate) for split in splits for rate in _STATIC_RATES]


@register("best fixed cut", hindsight=Hindsight(static_rules, "least energy"))
def best_static(scenario: Scenario, trace: Trace) -> Rule:
    """Return the `static` policy of least energy within both limits on this trace.

    Chosen in hindsight. If none keeps the limits, it is the one that misses them least.
    """
    return _best_of(scenario, trace, static_rules(scenario), "least energy")


@register("Neurosurgeon (latency)")
def neurosurgeon(
    scenario: Scenario, trace: Trace, *, least: Literal["latency", "energy"] = "latency"
) -> Rule:
    """Return the splitting point of least latency, or of least energy, in each slot.

    Kang et al., "Neurosurgeon: Collaborative intelligence between the cloud and mobile edge",
    ASPLOS 2017. Simplified: latency and energy of the layers are known instead of predicted by
    regression, and channel and host are those of the slot instead of the last ones probed.

    Parameters
    ----------
    scenario, trace
    least : {"latency", "energy"}
    """
    check_choice("least", least, ("latency", "energy"))
    if least == "latency":
        return Rule.over(scenario, delay_price=1.0)
    return Rule.over(scenario, energy_price=1.0)


register("Neurosurgeon (energy)", name="neurosurgeon_energy")(
    functools.partial(neurosurgeon, least="energy")
)


@register("DADS")
def dads(scenario: Scenario, trace: Trace) -> Rule:
    """Return the splitting point of least latency; under heavy load, that of highest throughput.

    Hu et al., "Dynamic adaptive DNN surgery", IEEE INFOCOM 2019 ([7] of the paper). If the device,
    the channel or the host needs longer than a slot for the slot's images, images queue up; DADS
    then minimizes the longest of the three times instead. Simplified: a slot lasts D_max, because
    the paper does not give its length; and a chain needs no minimum cut of a graph.
    """
    return Rule.over(scenario, delay_price=1.0, stage_limit="d_max")


@register("NeuPart")
def neupart(scenario: Scenario, trace: Trace) -> Rule:
    """Return the splitting point of least device energy in each slot.

    Manasi et al., "NeuPart", IEEE Transactions on VLSI Systems 28(8), 2020 ([8] of the paper).
    Simplified: energies follow (2) and (4) instead of their model of an accelerator, and neither
    the image nor sparse features are compressed. It is then the energy mode of `neurosurgeon`.
    """
    return neurosurgeon(scenario, trace, least="energy")


@register("after the first stage")
def after_first_conv(scenario: Scenario, trace: Trace) -> Rule:
    """Return the policy that always splits after the first stage.

    Mao et al., "A privacy-preserving deep learning approach for face recognition with edge
    computing", USENIX HotEdge 2018 ([9] of the paper). Simplified: no noise is added.
    """
    return Rule.over(scenario, [1])


@register("bottleneck", compresses=True)
def bottleneck(scenario: Scenario, trace: Trace, *, split: int = 3, factor: float = 8.0) -> Rule:
    """Return a fixed splitting point with compressed features.

    A 1 × 1 convolution at the end of the device's part divides the number of channels by
    ``factor``, another at the beginning of the host's part restores it; the MACs of both count.
    Shao and Zhang, IEEE Communications Magazine 58(12), 2020 ([5] of the paper); Eshratifar et al.,
    "BottleNet", ISLPED 2019 ([10]). Simplified: no entropy or image coding follows. The accuracy
    that compression costs is outside the model.

    Parameters
    ----------
    scenario, trace
    split : int
        The splitting point, 1 to J - 1.
    factor : float
        Compression of the features, at least 1; the number of channels is rounded.
    """
    split = _check_split(scenario, split, 1)
    check_real("factor", factor, "[1, inf)")
    network = _with_bottleneck(scenario.network, split, factor)
    return Rule.over(scenario, [split], replace(scenario, network=network).profile)


def _with_bottleneck(network: Network, split: int, factor: float) -> Network:
    """Return the network with an encoder before a splitting point and a decoder after it."""
    index, layer, shape = [entry for entry in network.layers() if entry[0] == split - 1][-1]
    channels = layer.output_shape(shape)[0]
    few = max(1, round(channels / factor))
    before, after = network.stages[index : index + 2]
    return replace(
        network,
        stages=(
            *network.stages[:index],
            replace(before, layers=(*before.layers, Conv2d(channels, few, kernel_size=1))),
            replace(after, layers=(Conv2d(few, channels, kernel_size=1), *after.layers)),
            *network.stages[index + 2 :],
        ),
    )


@register("retransmission", compresses=True)
def retransmission(
    scenario: Scenario, trace: Trace, *, factor: float = 4.0, probability: float = 0.3
) -> Rule:
    """Return full offloading of small images, and of full ones where the small do not suffice.

    Nakahara et al., IEEE VTC 2021-Fall ([6] of the paper). Simplified: instead of deciding image by
    image, every slot sends the share ``probability`` of its images again. The host runs the whole
    network on every image it gets, and the second round waits for the first.

    Parameters
    ----------
    scenario, trace
    factor : float
        Bits of the full image over bits of the small one, at least 1.
    probability : float
        Probability that the small image does not suffice, in [0, 1].
    """
    check_real("factor", factor, "[1, inf)")
    check_real("probability", probability, "[0, 1]")
    whole = Rule.over(scenario, [0])
    return replace(
        whole,
        offload_bits=whole.offload_bits * (1 / factor + probability),
        remote_delay=whole.remote_delay * (1 + probability),
    )


def auto_split_rules(
    scenario: Scenario, *, bit_widths: Sequence[int] = (8, 16), memory: float = 32e6
) -> list[Rule]:
    """Return the rules that `auto_split` chooses from: those that fit into the memory."""
    check_real("memory", memory, "[0, inf)")
    network, everything = scenario.network, Rule.over(scenario)
    weights = np.concatenate([[0], np.cumsum(network.parameters)])
    largest = np.maximum.accumulate(network.output_elements)
    rules = []
    for bits in bit_widths:
        bits = check_integer("bit_widths", bits)
        needed = (weights + largest) * bits / 8
        needed[0] = 0  # without layers on the device there is nothing to hold
        sent = everything.offload_bits * bits / scenario.bits_per_element
        rules += [
            replace(Rule.over(scenario, [split]), offload_bits=sent[split : split + 1])
            for split in everything.splits[needed <= memory]
        ]
    if not rules:
        raise ValueError(f"bit_widths must hold at least one number of bits, got {bit_widths!r}")
    return rules


@register("Auto-Split", hindsight=Hindsight(auto_split_rules, "least delay"), compresses=True)
def auto_split(
    scenario: Scenario,
    trace: Trace,
    *,
    bit_widths: Sequence[int] = (8, 16),
    memory: float = 32e6,
) -> Rule:
    """Return the fixed splitting point and bit width of least mean latency.

    Banitalebi-Dehkordi et al., "Auto-Split", KDD 2021 ([11] of the paper). Chosen in hindsight on
    this trace. Simplified: all layers have one bit width; computing with fewer bits is neither
    faster nor cheaper; and because accuracy is outside the model, fewer bits always win.

    Parameters
    ----------
    scenario, trace
    bit_widths : sequence of int
        Of features, weights and input.
    memory : float
        Memory of the device for its weights and its largest feature map, in bytes.
    """
    rules = auto_split_rules(scenario, bit_widths=bit_widths, memory=memory)
    return _best_of(scenario, trace, rules, "least delay")


@register("least energy within D_max")
def myopic(
    scenario: Scenario, trace: Trace, *, deadline: Literal["d_max", "d_avg"] = "d_max"
) -> Rule:
    """Return the policy that minimizes each slot's energy under a deadline.

    Splitting point and rate are optimized exactly. If no choice meets the deadline, the one of
    least energy is taken. With ``d_avg`` the mean exceeds its limit only if some slots miss it.

    Parameters
    ----------
    scenario, trace
    deadline : {"d_max", "d_avg"}
        Field of the scenario with the deadline of each slot.
    """
    check_choice("deadline", deadline, ("d_max", "d_avg"))
    return Rule.over(
        scenario, rate="exact", energy_price=1.0, outage_price=_ANY_PRICE, deadline=deadline
    )


register("least energy within D_avg", name="myopic_d_avg")(
    functools.partial(myopic, deadline="d_avg")
)


def exact_rules(scenario: Scenario) -> list[Rule]:
    """Return the rule whose prices `clairvoyant` sets."""
    return [priced(scenario, 1.0, 0.0, 0.0)]


@register("clairvoyant", hindsight=Hindsight(exact_rules, "best prices"))
def clairvoyant(scenario: Scenario, trace: Trace, *, bound: Bound | None = None) -> Rule:
    """Return the policy behind the bound: it minimizes each slot at the best prices for this trace.

    `splitlib.lower_bound` finds these prices. Apart from ties, the best prices keep both limits,
    but because they are found only to a tolerance, they may miss one by a few slots. The price of a
    missed limit is then raised, in steps that double from 1e-7 of it, until both are kept. Without
    randomization the policy needs slightly more energy than the bound: under 0.2 % more on 50,000
    slots or more of the paper's settings.

    Parameters
    ----------
    scenario, trace
    bound : Bound, optional
        Result of `splitlib.lower_bound` on this trace, if already computed.

    Raises
    ------
    splitlib.Infeasible
        If no policy keeps the limits.
    """
    bound = bound or lower_bound(scenario, trace)
    prices = np.array([1.0, bound.delay_price, bound.outage_price])
    for doubling in range(MOST_DOUBLINGS):
        rule = priced(scenario, *prices)
        (point,) = means_of(scenario, trace, [rule])
        limits = scenario.d_avg, scenario.epsilon
        if not raise_prices(prices, point.delay, point.outage, *limits, doubling):
            return rule
    return priced(scenario, 0.0, 1.0, 0.0)  # the fastest: it keeps what can be kept


def policy_of(policy: str | PolicyFunction) -> PolicyFunction:
    """Return the policy of that name, or the policy itself."""
    return POLICIES[policy] if isinstance(policy, str) else policy


def name_of(policy: str | PolicyFunction) -> str:
    """Return the name of a policy, with any parameters set by `functools.partial`."""
    if isinstance(policy, str):
        return policy
    if isinstance(policy, Policy):
        return policy.name
    if isinstance(policy, functools.partial):
        numbers = ", ".join(f"{name}={value!r}" for name, value in policy.keywords.items())
        return f"{name_of(policy.func)}({numbers})"
    return getattr(policy, "__name__", repr(policy))


def check_policy(policy: Any) -> None:
    """Raise unless ``policy`` is a known name or accepts a scenario and a trace."""
    if not callable(policy):
        check_choice("policy", policy, POLICIES)
        return
    try:
        inspect.signature(policy).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"policy must be a function of scenario and trace ({error}), got"
            f" {name_of(policy)!r}; splitlib.online makes one of a function of the slot"
        ) from None


def least_within(
    values: Sequence[float],
    delays: Sequence[float],
    outages: Sequence[float],
    n: int,
    d_avg: float,
    epsilon: float,
) -> int:
    """Return the index of the least value within both limits, or else of the smallest excess."""
    best = 0
    best_excess = math.inf
    for i in range(n):
        excess = max(0.0, delays[i] / d_avg - 1.0, outages[i] - epsilon)
        if excess < best_excess or (excess == best_excess and values[i] < values[best]):
            best = i
            best_excess = excess
    return best


def _best_of(scenario: Scenario, trace: Trace, rules: list[Rule], choice: str) -> Rule:
    """Return the best rule on a trace, in hindsight; see `Hindsight`."""
    energies, delays, outages = zip(*means_of(scenario, trace, rules), strict=True)
    values, limits = energies, (scenario.d_avg, scenario.epsilon)
    if choice == "least delay":
        values, limits = delays, (math.inf, math.inf)
    return rules[least_within(values, delays, outages, len(rules), *limits)]


def _check_split(scenario: Scenario, split: Any, least: int) -> int:
    """Return ``split``; raise unless it is a splitting point from ``least`` to J - least."""
    most = len(scenario.network.stages) - least
    split = check_integer("split", split, minimum=least)
    if split > most:
        raise ValueError(f"split must be an integer in [{least}, {most}], got {split}")
    return split
