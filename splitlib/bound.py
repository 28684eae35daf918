r"""The least energy that any policy can reach under the two limits of problem (12).

On a given trace, let :math:`e_t`, :math:`d_t` and :math:`u_t` be energy, delay and outage of slot
:math:`t`. For prices :math:`\lambda_1, \lambda_2 \ge 0`, in J per second of delay and J per outage,
the *dual function* of (12) is

.. math:: g(\lambda) = \frac{1}{T} \sum_t \min_{k, R}
          \left(e_t + \lambda_1 d_t + \lambda_2 u_t\right)
          - \lambda_1 D_{avg} - \lambda_2 \epsilon .

**Every value of it is a bound.** Take any policy that keeps both limits on this trace, however
much it knows, and even at random. What it pays in a slot,
:math:`e_t + \lambda_1 d_t + \lambda_2 u_t`, is at least the minimum. Average over the slots (and
over its coins), and subtract :math:`\lambda_1 D_{avg} + \lambda_2 \epsilon`. Its mean delay and
outage are at most the limits, so what is left is at most its mean energy.

The minimum of a slot is found exactly. For each splitting point the cost without its step is convex
in the rate and least at the stationary rate of (19) with :math:`\Omega / V = \lambda_1`. If that
rate misses the deadline, only two rates can be best: itself, with the price of an outage, or the
one that just meets :math:`D_{max}`, if the limits of the power allow it.

The largest of all bounds is found by column generation (Dantzig and Wolfe, Operations Research
8(1), 1960). Each :math:`\lambda` that is tried gives a policy, its mean energy, delay and outage.
The best mixture of the policies found so far, under the two limits, is a small linear program; its
prices are the next :math:`\lambda`. The mixture is a randomized policy that keeps both limits, so
its energy is an upper bound of what the best policy needs, and the two close in on each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from splitlib import kernel
from splitlib._check import check_instance, check_real
from splitlib.kernel import FOREVER, log1p, stationarity, stationary_rate
from splitlib.scenario import Scenario
from splitlib.trace import Trace


def priced_slots(
    gain,
    availability,
    arrivals,
    r_max,
    g_max,
    n_slots,
    local_delay,
    remote_delay,
    offload_bits,
    local_energy,
    n_splits,
    energy_per_slot,
    energy_price,
    delay_price,
    outage_price,
    bandwidth,
    noise_power,
    p_min,
    p_max,
    d_max,
    totals,
):
    """Minimize ``energy_price e + delay_price d + outage_price u`` in each slot; add up the rest.

    Arguments as in `splitlib.kernel.run_slots`; ``totals`` is an array of length 4 that energy,
    delay, outages and the minima are added to.
    """
    nats_per_bit = math.log(2.0)
    for t in range(n_slots):
        n = float(arrivals[t])
        if n == 0.0:
            continue
        charged = 1.0 if energy_per_slot else n
        noise_to_gain = noise_power / gain[t] if gain[t] > 0.0 else FOREVER
        r = r_max[t]
        p = p_max
        if energy_price > 0.0:
            c = delay_price / energy_price / noise_to_gain
            if c < g_max[t]:
                snr = p_min / noise_to_gain
                r = log1p(snr)
                p = p_min
                if c > stationarity(r, snr):
                    r = stationary_rate(c, r_max[t])
                    p = math.expm1(r) * noise_to_gain
        seconds_per_bit = FOREVER
        if r > 0.0:
            seconds_per_bit = nats_per_bit / (r * bandwidth)
        fastest = FOREVER
        if r_max[t] > 0.0:
            fastest = nats_per_bit / (r_max[t] * bandwidth)
        slowdown = 1.0 / availability[t]

        least = math.inf
        energy = 0.0
        delay = 0.0
        outage = 0.0
        for k in range(n_splits):
            computing = n * (local_delay[k] + remote_delay[k] * slowdown)
            bits = n * offload_bits[k]
            d = computing + bits * seconds_per_bit
            e = charged * local_energy[k] + bits * (p * seconds_per_bit)
            cost = energy_price * e + delay_price * d
            if cost >= least:  # nothing that keeps the deadline could cost less with this k
                continue
            if d <= d_max:
                least = cost
                energy = e
                delay = d
                outage = 0.0
                continue
            if cost + outage_price < least:
                least = cost + outage_price
                energy = e
                delay = d
                outage = 1.0
            # The rate that just meets the deadline.
            left = d_max - computing
            if bits > 0.0 and left > 0.0 and left >= bits * fastest:
                snr = math.expm1(bits * nats_per_bit / (left * bandwidth))
                e = charged * local_energy[k] + min(p_max, snr * noise_to_gain) * left
                cost = energy_price * e + delay_price * d_max
                if cost < least:
                    least = cost
                    energy = e
                    delay = d_max
                    outage = 0.0
        totals[0] += energy
        totals[1] += delay
        totals[2] += outage
        totals[3] += least


_compiled = numba.njit(priced_slots, cache=True, nogil=True, error_model="numpy")
_rate_limits = numba.njit(kernel.rate_limits, cache=True, nogil=True, error_model="numpy")


class Infeasible(ValueError):
    """No policy keeps the limits on this trace."""


class Point(NamedTuple):
    """Means over the slots of a policy that fixed prices make: J, s, and a share."""

    energy: float
    delay: float
    outage: float


@dataclass(frozen=True, eq=False)
class Bound:
    """The least mean energy, from below and from above.

    Attributes
    ----------
    energy : float
        No policy that keeps both limits on the trace spends less, in J per slot.
    energy_saving : float
        The highest possible saving over full local inference on the same slots.
    delay_price, outage_price : float
        The prices λ at which this is so, in J per second of mean delay and J per outage: what the
        last millisecond, or per mille, of the limits is worth in energy.
    primal : Point
        Of a randomized policy that keeps both limits: it mixes the slot-wise minima at several
        prices.
    gap : float
        ``primal.energy - energy``, in J per slot, at least 0 but for rounding: how much is not
        known of the least energy.
    iterations : int
        How many prices were tried.
    """

    energy: float
    energy_saving: float
    delay_price: float
    outage_price: float
    primal: Point
    gap: float
    iterations: int


def lower_bound(scenario: Scenario, trace: Trace, tolerance: float = 1e-6) -> Bound:
    r"""Return the least mean energy that any policy can reach on a trace; see the module.

    Parameters
    ----------
    scenario : Scenario
        Gives costs and limits.
    trace : Trace
        All its slots count.
    tolerance : float
        Gap to the primal point at which to stop, as a share of its energy, in [1e-7, 1): linear
        programs are solved no more exactly than that.

    Returns
    -------
    Bound

    Raises
    ------
    Infeasible
        If no policy keeps the limits; it names the limit and how far it is missed at best.
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.
    """
    check_instance("scenario", scenario, Scenario)
    check_instance("trace", trace, Trace)
    check_real("tolerance", tolerance, "[1e-7, 1)")
    slots = _Slots(scenario, trace)
    limits = np.array([scenario.d_avg, scenario.epsilon])
    fastest = slots.best(0.0, 1.0, 0.0)[0]
    _check_feasible(fastest, scenario)
    columns = [fastest, slots.best(1.0, 0.0, 0.0)[0]]
    best, prices = -math.inf, np.zeros(2)
    for _ in range(200):
        energy, mixture, trial = _mix(columns, limits)
        point, least = slots.best(1.0, *trial)
        value = least - float(trial @ limits)
        if value > best:
            best, prices = value, trial
        if energy - best <= tolerance * energy:
            break
        columns.append(point)
    full_local = slots.full_local_energy
    return Bound(
        energy=best,
        energy_saving=1 - best / full_local if full_local else math.nan,
        delay_price=float(prices[0]),
        outage_price=float(prices[1]),
        primal=mixture,
        gap=energy - best,
        iterations=len(columns) - 1,
    )


def _check_feasible(fastest: Point, scenario: Scenario) -> None:
    """Raise unless some policy keeps both limits.

    The shortest delay of a slot is an outage only if every delay is, so the policy that always
    chooses it has the least mean delay and the least outage at once.
    """
    if fastest.delay > scenario.d_avg:
        raise Infeasible(
            f"d_avg must be at least {fastest.delay!r} s on this trace, the least mean delay of"
            f" any policy, got {scenario.d_avg!r}"
        )
    if fastest.outage > scenario.epsilon:
        raise Infeasible(
            f"epsilon must be at least {fastest.outage!r} on this trace, the least outage of any"
            f" policy, got {scenario.epsilon!r}"
        )


class _Slots:
    """The slots of a trace, ready to be minimized at any prices."""

    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self._scenario, self._trace = scenario, trace
        noise_power = scenario.noise_psd * scenario.bandwidth
        self._limits = np.empty((2, trace.n_slots))
        _rate_limits(trace.gain, trace.n_slots, noise_power, scenario.p_max, *self._limits)
        profile = scenario.profile
        self._costs = (
            scenario.device.delay(profile.local_flops),
            scenario.host.delay(profile.remote_flops),
            profile.offload_bits,
            profile.local_energy,
        )

    @property
    def full_local_energy(self) -> float:
        """Mean energy of full local inference, in J per slot."""
        arrivals = self._trace.arrivals
        charged = arrivals > 0 if self._scenario.local_energy_per == "slot" else arrivals
        return float(charged.mean() * self._costs[-1][-1])

    def best(
        self, energy_price: float, delay_price: float, outage_price: float
    ) -> tuple[Point, float]:
        """Return the slot-wise minima at some prices: their means, and the mean of the minimum."""
        scenario, trace = self._scenario, self._trace
        totals = np.zeros(4)
        _compiled(
            trace.gain,
            trace.availability,
            trace.arrivals,
            *self._limits,
            trace.n_slots,
            *self._costs,
            self._costs[0].size,
            scenario.local_energy_per == "slot",
            float(energy_price),
            float(delay_price),
            float(outage_price),
            scenario.bandwidth,
            scenario.noise_psd * scenario.bandwidth,
            scenario.p_min,
            scenario.p_max,
            scenario.d_max,
            totals,
        )
        energy, delay, outage, least = (float(total) / trace.n_slots for total in totals)
        return Point(energy, delay, outage), least


def _mix(
    columns: list[Point], limits: NDArray[np.float64]
) -> tuple[float, Point, NDArray[np.float64]]:
    """Return the best mixture of policies under the limits: energy, means and prices."""
    table = np.array(columns).T
    # Of order one, whatever the units.
    scale = np.maximum(np.abs(table).max(axis=1), 1e-300)
    found = linprog(
        table[0] / scale[0],
        A_ub=table[1:] / scale[1:, None],
        b_ub=limits / scale[1:],
        A_eq=np.ones((1, len(columns))),
        b_eq=[1.0],
        method="highs",
    )
    prices = np.maximum(0.0, -found.ineqlin.marginals) * scale[0] / scale[1:]
    mixture = Point(*(float(value) for value in table @ found.x))
    return mixture.energy, mixture, prices
