"""Decision rules, and the compiled driver that runs them over a trace.

A `Rule` gives the prices, the rate and the options by which the kernel decides each slot. A
function that decides one `Slot` at a time can take its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple, TypeAlias

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from splitlib import kernel
from splitlib._check import check_array, check_bool, check_choice, check_instance, check_real
from splitlib.scenario import Profile, Scenario
from splitlib.trace import Trace

#: Slots prepared at once: few enough for a core's cache, enough to amortize the call.
_CHUNK = 16384


class Loops(NamedTuple):
    """The two functions of the kernel, plain or compiled."""

    fill_upper_limits: Any
    run_slots: Any


PLAIN = Loops(kernel.fill_upper_limits, kernel.run_slots)
COMPILED = Loops(*(numba.njit(loop, cache=True, nogil=True, error_model="numpy") for loop in PLAIN))


@dataclass(frozen=True, eq=False, kw_only=True)
class Rule:
    r"""A policy that minimizes priced costs in each slot.

    It takes the option that minimizes ``energy_price`` E + ``delay_price`` D + ``outage_price``
    u{D - deadline}; ties go to the first.

    Attributes
    ----------
    splits : ndarray of int, shape (n_options,)
        Splitting point of each option.
    local_delay, remote_delay : ndarray, shape (n_options,)
        Time for one image on the device and on the fully free host, in s.
    offload_bits, local_energy : ndarray, shape (n_options,)
        Bits and J for one image.
    rate : {"p_max", "surrogate", "exact"}
        The largest rate; that of (19); or the one that minimizes the cost including its step.
    energy_price, delay_price, outage_price : float
        At least 0.
    virtual_queues : bool
        Whether V, Z and H are the three prices, as in (17).
    deadline : {"d_max", "d_avg"}
        Field of the scenario with the delay above which the policy counts an outage.
    stage_limit : {"d_max"}, optional
        Field of the scenario with the limit on each stage (computing on the device, sending,
        computing on the host). If the chosen option exceeds it, the option whose longest stage is
        shortest is taken instead.
    """

    splits: NDArray[np.int64]
    local_delay: NDArray[np.float64]
    remote_delay: NDArray[np.float64]
    offload_bits: NDArray[np.float64]
    local_energy: NDArray[np.float64]
    rate: Literal["p_max", "surrogate", "exact"] = "p_max"
    energy_price: float = 0.0
    delay_price: float = 0.0
    outage_price: float = 0.0
    virtual_queues: bool = False
    deadline: Literal["d_max", "d_avg"] = "d_max"
    stage_limit: Literal["d_max"] | None = None

    def __post_init__(self) -> None:
        check_choice("rate", self.rate, ("p_max", "surrogate", "exact"))
        check_choice("deadline", self.deadline, ("d_max", "d_avg"))
        if self.stage_limit is not None:
            check_choice("stage_limit", self.stage_limit, ("d_max",))
        for name in ("energy_price", "delay_price", "outage_price"):
            check_real(name, getattr(self, name), "[0, inf)")
        check_bool("virtual_queues", self.virtual_queues)

    @classmethod
    def over(
        cls,
        scenario: Scenario,
        splits: ArrayLike | None = None,
        profile: Profile | None = None,
        **how: Any,
    ) -> Rule:
        """Return a rule over some splitting points, by default all.

        Parameters
        ----------
        scenario : Scenario
        splits : array_like of int, shape (n_options,), optional
            From 0 to J, at least one.
        profile : Profile, optional
            Costs of all splitting points, by default the scenario's.
        how
            The attributes from ``rate`` on.

        Raises
        ------
        TypeError, ValueError
            If an argument is of the wrong type or out of its range.
        """
        profile = profile or scenario.profile
        last = profile.offload_bits.size - 1
        chosen = np.arange(last + 1) if splits is None else np.array(splits)
        check_array("splits", chosen, f"[0, {last}]")
        if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
            raise ValueError(f"splits must hold at least one integer, got {splits!r}")
        return cls(
            splits=chosen,
            local_delay=scenario.device.delay(profile.local_flops[chosen]),
            remote_delay=scenario.host.delay(profile.remote_flops[chosen]),
            offload_bits=profile.offload_bits[chosen],
            local_energy=profile.local_energy[chosen],
            **how,
        )

    @property
    def costs(self) -> tuple[NDArray[np.float64], ...]:
        """The four arrays of costs, in the kernel's order."""
        return self.local_delay, self.remote_delay, self.offload_bits, self.local_energy


@dataclass(frozen=True, eq=False)
class Slot:
    """The information a policy has when it decides a slot.

    Attributes
    ----------
    gain, availability : float
        h(t) and alpha_r(t).
    arrivals : int
        N(t), at least 1: slots without images need no decision.
    Z, H : float
        Virtual queues (13), in s, and (14).
    V : float
        Weight of energy of this run, in s²/J.
    rate_min, rate_max : float
        Rates at the limits of the transmit power, in bit/s.
    scenario : Scenario
        All that is fixed.
    """

    gain: float
    availability: float
    arrivals: int
    Z: float
    H: float
    V: float
    rate_min: float
    rate_max: float
    scenario: Scenario

    def costs(self, rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return delay (s) and energy (J) of each splitting point at a rate in bit/s.

        Both have the shape ``(J + 1,)``; at rate 0 sending takes forever.
        """
        power = _power(self.scenario, self.gain, rate) if rate > 0 else self.scenario.p_min
        seconds_per_bit = self.arrivals / rate if rate > 0 else self.arrivals * kernel.FOREVER
        return _costs(self.scenario, self.availability, self.arrivals, seconds_per_bit, power)


#: Returns splitting point and rate (bit/s) for a slot.
Decide: TypeAlias = Callable[[Slot], tuple[int, float]]


def slot_costs(
    scenario: Scenario, trace: Trace, rate: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return delay and energy of each slot at each splitting point, equations (7) to (11).

    Parameters
    ----------
    scenario : Scenario
        All that is fixed.
    trace : Trace
        Channel, host and load of each slot.
    rate : array_like of shape (), (n_slots,) or (n_slots, J + 1)
        In bit/s, at least 0: one rate for all, one per slot, or one per slot and splitting point.

    Returns
    -------
    delay, energy : ndarray of shape (n_slots, J + 1)
        End-to-end delay of the slot's images in s, and energy of the device in J. At rate 0
        sending takes forever.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or out of its range.

    Examples
    --------
    >>> trace = Trace(gain=[1e-10, 2e-10], availability=[0.5, 1.0], arrivals=[9, 12])
    >>> delay, energy = slot_costs(Scenario(), trace, rate=1e9)
    >>> delay.shape
    (2, 20)
    >>> bool(energy[0, -1] == 9 * Scenario().profile.local_energy[-1])
    True
    """
    check_instance("scenario", scenario, Scenario)
    check_instance("trace", trace, Trace)
    rate = check_array("rate", rate, "[0, inf)")
    shape = trace.n_slots, scenario.profile.offload_bits.size
    if rate.shape not in ((), shape[:1], shape):
        raise ValueError(
            f"rate must have the shape (), ({shape[0]},) or {shape}, got shape {rate.shape}"
        )
    rate = np.broadcast_to(rate.reshape(rate.shape + (1,) * (2 - rate.ndim)), shape)
    gain, availability, arrivals = (
        series[:, None] for series in (trace.gain, trace.availability, trace.arrivals)
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # at rate 0 or gain 0
        seconds_per_bit = np.where(rate > 0, arrivals / rate, arrivals * kernel.FOREVER)
        snr = np.expm1(rate * math.log(2) / scenario.bandwidth)
        noise = scenario.noise_psd * scenario.bandwidth
        needed = np.minimum(snr * noise / gain, kernel.FOREVER)  # finite: 0 bits stay free
        power = np.where(rate > 0, needed, scenario.p_min)
    return _costs(scenario, availability, arrivals, seconds_per_bit, power)


def _costs(
    scenario: Scenario, availability: Any, arrivals: Any, seconds_per_bit: Any, power: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return delay and energy at each splitting point; ``seconds_per_bit`` is for all images."""
    profile = scenario.profile
    sending = profile.offload_bits * seconds_per_bit  # (10)
    local = arrivals * scenario.device.delay(profile.local_flops)  # (7)
    remote = arrivals * scenario.host.delay(profile.remote_flops) / availability  # (9)
    charged = np.minimum(arrivals, 1) if scenario.local_energy_per == "slot" else arrivals
    return local + sending + remote, charged * profile.local_energy + power * sending  # (8), (11)


class SlotLoop:
    """State of one rule during a run, for several V side by side: queues and totals.

    Parameters
    ----------
    scenario : Scenario
    trace : Trace
    rule : Rule or function of the slot
    V : sequence of float
        Weights of energy, in s²/J; one for each run.
    history : bool
        Whether to keep the series.
    loops : Loops
        Plain or compiled.

    Attributes
    ----------
    sums : kernel.Sums
        Totals since `start_measuring`.
    initial_queues : ndarray of shape (2, n_V)
        Z (in s) and H at `start_measuring`.
    series : kernel.Series or None
        Its ``option`` is the splitting point.
    """

    def __init__(
        self,
        scenario: Scenario,
        trace: Trace,
        rule: Rule | Decide,
        V: Sequence[float] = (1.0,),
        history: bool = False,
        loops: Loops = COMPILED,
    ) -> None:
        self._scenario, self._trace, self._loops = scenario, trace, loops
        self._decide = None if isinstance(rule, Rule) else rule
        self._rule = rule = rule if isinstance(rule, Rule) else Rule.over(scenario)
        self._V = np.array(V, dtype=float)
        n, n_options = self._V.size, rule.splits.size
        self._options = kernel.Options._make((*rule.costs, np.empty(n_options), n_options))
        self._prices = kernel.Prices(
            energy=self._V if rule.virtual_queues else np.full(n, float(rule.energy_price)),
            delay=float(rule.delay_price),
            outage=float(rule.outage_price),
            virtual_queues=rule.virtual_queues,
            at_p_max=rule.rate == "p_max",
            split_by_surrogate=scenario.split_objective == rule.rate == "surrogate",
            deadline=float(getattr(scenario, rule.deadline)),
            n=n,
        )
        self._exact = True if rule.rate == "exact" else None
        self._stage_limit = float(getattr(scenario, rule.stage_limit)) if rule.stage_limit else None
        self._setting = kernel.Setting(
            bandwidth=float(scenario.bandwidth),
            noise_power=float(scenario.noise_psd * scenario.bandwidth),
            p_min=float(scenario.p_min),
            p_max=float(scenario.p_max),
            d_avg=float(scenario.d_avg),
            d_max=float(scenario.d_max),
            epsilon=float(scenario.epsilon),
            energy_per_slot=scenario.local_energy_per == "slot",
        )
        self._costs = _new_costs(n_options) if n > 1 else None
        counts = np.zeros((n, n_options), dtype=np.int64)
        self.sums = kernel.Sums._make((*np.zeros((12, n)), counts))
        shape = trace.n_slots, n
        kept = (np.empty(shape, dtype=np.int64), *np.empty((5, *shape))) if history else None
        self.series = kernel.Series(*kept) if kept else None
        self.start_measuring()

    def start_measuring(self) -> None:
        """Reset all sums but the queues."""
        Z, H, *others = self.sums
        self.initial_queues = np.array([Z, H])
        for values in others:
            values[:] = 0

    @property
    def split_histogram(self) -> NDArray[np.int64]:
        """Slots at each splitting point since `start_measuring`; shape ``(n_V, J + 1)``."""
        counts = np.zeros((self._V.size, len(self._scenario.network.stages) + 1), dtype=np.int64)
        for option, split in enumerate(self._rule.splits):
            counts[:, split] += self.sums.histogram[:, option]
        return counts

    def run(self, burn_in: int = 0) -> None:
        """Run all slots, chunk by chunk, and measure those after the burn-in."""
        trace, scenario = self._trace, self._scenario
        limits = np.empty((2, min(_CHUNK, trace.n_slots)))
        for start, stop in ((0, burn_in), (burn_in, trace.n_slots)):
            self.start_measuring()
            for first in range(start, stop, _CHUNK):
                slots = slice(first, min(first + _CHUNK, stop))
                self.advance(slots, upper_limits(scenario, trace.gain[slots], limits, self._loops))

    def advance(self, slots: slice, limits: Any) -> None:
        """Run some slots; ``limits`` come from `upper_limits`."""
        if self._decide is not None:
            for t, v in product(range(slots.start, slots.stop), range(self._V.size)):
                self._ask(self._decide, t, v)
            return
        series = kernel.Series(*(each[slots] for each in self.series)) if self.series else None
        self._loops.run_slots(
            self._slots(slots, *limits),
            self._options,
            self._prices,
            self._exact,
            self._stage_limit,
            self._setting,
            self._costs,
            self.sums,
            series,
        )
        if series:
            series.option[:] = self._rule.splits[series.option]

    def _slots(self, slots: slice, r_max: Any, g_max: Any) -> kernel.Slots:
        trace = self._trace
        observed = trace.gain[slots], trace.availability[slots], trace.arrivals[slots]
        return kernel.Slots(*observed, r_max, g_max, slots.stop - slots.start)

    def _ask(self, decide: Decide, t: int, v: int) -> None:
        """Run one slot as ``decide`` chooses: with one option, at the power of its rate."""
        scenario, trace = self._scenario, self._trace
        split, r, power = 0, 0.0, scenario.p_max
        if trace.arrivals[t] > 0:
            gain = float(trace.gain[t])
            low, high = (_rate(scenario, gain, limit) for limit in (scenario.p_min, power))
            observed = float(trace.availability[t]), int(trace.arrivals[t])
            queues = float(self.sums.Z[v]), float(self.sums.H[v])
            slot = Slot(gain, *observed, *queues, float(self._V[v]), low, high, scenario)
            split, rate = _checked(decide(slot), slot, t)
            r = rate * math.log(2) / scenario.bandwidth
            power = _power(scenario, gain, rate) if rate > 0 else scenario.p_min
        here, one, option = slice(t, t + 1), slice(v, v + 1), slice(split, split + 1)
        *sums, histogram = (each[one] for each in self.sums)
        series = kernel.Series(*(each[here, one] for each in self.series)) if self.series else None
        kernel.run_slots(
            self._slots(here, [r], [0.0]),
            kernel.Options._make((*(cost[option] for cost in self._rule.costs), [0.0], 1)),
            self._prices._replace(energy=self._prices.energy[one], n=1),
            self._exact,
            self._stage_limit,
            self._setting._replace(p_max=power),
            None,
            kernel.Sums._make((*sums, histogram[:, option])),
            series,
        )
        if series:
            series.option[:] = split


def _new_costs(n_options: int) -> kernel.Costs:
    """Allocate the costs of a block of slots."""
    rows = 3 * kernel.BLOCK
    return kernel.Costs(
        is_known=np.zeros(rows, dtype=bool),
        rate=np.empty(rows),
        seconds_per_bit=np.empty(rows),
        delay=np.empty((rows, n_options)),
        energy=np.empty((rows, n_options)),
        r_min=np.empty(kernel.BLOCK),
        g_min=np.empty(kernel.BLOCK),
    )


def _rate(scenario: Scenario, gain: float, power: float) -> float:
    """Return `splitlib.channel.rate` without its checks, which would dominate the run time."""
    snr = power * gain / (scenario.noise_psd * scenario.bandwidth)
    return math.log1p(snr) * scenario.bandwidth / math.log(2)


def _power(scenario: Scenario, gain: float, rate: float) -> float:
    """Return `splitlib.channel.power` without its checks."""
    snr = math.expm1(rate * math.log(2) / scenario.bandwidth)
    return snr * scenario.noise_psd * scenario.bandwidth / gain


def _checked(decision: Any, slot: Slot, t: int) -> tuple[int, float]:
    """Return the decision of a custom policy; raise unless it is valid."""
    try:
        split, rate = decision
        split, rate = int(split), float(rate)
    except (TypeError, ValueError):
        raise TypeError(
            "a policy must return a splitting point and a rate in bit/s,"
            f" got {decision!r} in slot {t}"
        ) from None
    n_stages = len(slot.scenario.network.stages)
    if not 0 <= split <= n_stages:
        raise ValueError(
            f"a policy's splitting point must be in [0, {n_stages}], got {split} in slot {t}"
        )
    if split < n_stages and not slot.rate_min * (1 - 1e-9) <= rate <= slot.rate_max * (1 + 1e-9):
        raise ValueError(
            f"a policy's rate must be in [{slot.rate_min!r}, {slot.rate_max!r}] bit/s,"
            f" got {rate!r} in slot {t}"
        )
    return split, min(max(rate, slot.rate_min), slot.rate_max)


def upper_limits(
    scenario: Scenario, gain: NDArray[np.float64], limits: Any = None, loops: Loops = COMPILED
) -> Any:
    """Return r_max and g_max of some slots; they are written to ``limits``, shape ``(2, n)``."""
    limits = np.empty((2, gain.size)) if limits is None else limits
    noise_power = scenario.noise_psd * scenario.bandwidth
    loops.fill_upper_limits(gain, gain.size, noise_power, scenario.p_max, *limits)
    return limits
