r"""A lower bound on the energy of any policy that keeps the two limits of problem (12).

On a given trace, let :math:`e_t`, :math:`d_t` and :math:`u_t` be energy, delay and outage of slot
:math:`t`. For prices :math:`\lambda_1, \lambda_2 \ge 0`, in J per second of delay and J per outage,
the *dual function* of (12) is

.. math:: g(\lambda) = \frac{1}{T} \sum_t \min_{k, R}
          \left(e_t + \lambda_1 d_t + \lambda_2 u_t\right)
          - \lambda_1 D_{avg} - \lambda_2 \epsilon .

**Every value of it is a bound.** Take any policy that keeps both limits on this trace, even a
randomized one or one that knows the whole trace. In every slot its cost
:math:`e_t + \lambda_1 d_t + \lambda_2 u_t` is at least the minimum. Average over the slots (and
over its random choices), and subtract :math:`\lambda_1 D_{avg} + \lambda_2 \epsilon`. Because the
policy's mean delay and outage are within the limits, the result is at most its mean energy.

The minimum of a slot is found exactly, see `splitlib.kernel` on the exact rate.

Column generation finds the largest bound (Dantzig and Wolfe, Operations Research 8(1), 1960). Each
:math:`\lambda` tried gives a policy with mean energy :math:`e_i`, delay :math:`d_i` and outage
:math:`u_i`. None of these policies costs less than the minimum, so

.. math:: g(\lambda) \le \min_i e_i + \lambda_1 (d_i - D_{avg}) + \lambda_2 (u_i - \epsilon).

The next :math:`\lambda` is where this ceiling is highest. By duality, its height there is the
energy of the best mixture of these policies that keeps both limits, and thus an upper bound on the
least energy: ceiling and bound converge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from splitlib._check import check_instance, check_real
from splitlib.loop import Rule, SlotLoop, upper_limits
from splitlib.scenario import Scenario
from splitlib.trace import Trace

#: Most prices to try; a few dozen usually suffice.
MOST_PRICES = 200
#: Gap of the bound at which to stop, as a share of its energy.
TOLERANCE = 1e-6
#: Most times that `splitlib.policies.clairvoyant` raises its prices.
MOST_DOUBLINGS = 30


@register_jitable
def ceiling(energies, delays, outages, n, d_avg, epsilon, prices):
    """Find the prices at which the ceiling of the dual function is highest; return its height.

    The ceiling is the minimum of ``n`` planes over the two prices. It is highest where three planes
    meet, or two and an axis, or one and the origin; all these points are tried.

    Parameters
    ----------
    energies, delays, outages : arrays of at least n
        Means of the policies tried so far, in J, s and as a share.
    n : int
    d_avg, epsilon : float
        The limits.
    prices : array of length 3, written
        Prices of energy (always 1), of delay in J per second, and of outage in J per outage.
    """
    highest = -math.inf
    best_delay_price = 0.0
    best_outage_price = 0.0
    # The indices n and n + 1 stand for the two axes, where a price is 0.
    for i in range(n):
        for j in range(i + 1, n + 1):
            for k in range(j + 1, n + 2):
                # Two equations: a1 x + b1 y = c1 and a2 x + b2 y = c2.
                a1 = 0.0
                b1 = 0.0
                c1 = 0.0
                if j < n:
                    a1 = delays[i] - delays[j]
                    b1 = outages[i] - outages[j]
                    c1 = energies[j] - energies[i]
                else:
                    a1 = 1.0
                a2 = 0.0
                b2 = 0.0
                c2 = 0.0
                if k < n:
                    a2 = delays[i] - delays[k]
                    b2 = outages[i] - outages[k]
                    c2 = energies[k] - energies[i]
                elif k == n:
                    a2 = 1.0
                else:
                    b2 = 1.0
                determinant = a1 * b2 - a2 * b1
                if determinant == 0.0:
                    continue
                x = (c1 * b2 - c2 * b1) / determinant
                y = (a1 * c2 - a2 * c1) / determinant
                if x < 0.0 or y < 0.0:
                    continue
                least = math.inf
                for m in range(n):
                    plane = energies[m] + x * (delays[m] - d_avg) + y * (outages[m] - epsilon)
                    least = min(least, plane)
                    if least <= highest:
                        break
                if least > highest:
                    highest = least
                    best_delay_price = x
                    best_outage_price = y
    prices[0] = 1.0
    prices[1] = best_delay_price
    prices[2] = best_outage_price
    return highest


def next_prices(energies, delays, outages, n, d_avg, epsilon, tolerance, prices, best):
    """Choose the next prices at which to evaluate the dual function; tell whether there are any.

    One step of column generation; the caller evaluates the prices. The first are those of the
    fastest policy, then come those of the cheapest, and then those where the ceiling is highest.

    Parameters
    ----------
    energies, delays, outages : arrays of at least n
        Means at the prices so far, in J, s and as a share.
    n : int
    d_avg, epsilon : float
        The limits.
    tolerance : float
        Gap between ceiling and bound at which to stop, as a share of the ceiling.
    prices : array of length 3, read and written
        Of energy, delay and outage: the last prices, replaced by the next.
    best : array of length 4, read and written
        The largest bound so far, its prices of delay and outage, and the height of the ceiling.

    Returns
    -------
    bool
        False if bound and ceiling have met; the ceiling then does not include the last means.
    """
    if n < 2:
        prices[0] = float(n)
        prices[1] = 1.0 - n
        prices[2] = 0.0
        best[0] = -math.inf
        return True
    if n > 2:
        i = n - 1
        value = energies[i] + (prices[1] * (delays[i] - d_avg) + prices[2] * (outages[i] - epsilon))
        if value > best[0]:
            best[0] = value
            best[1] = prices[1]
            best[2] = prices[2]
        if best[3] - best[0] <= tolerance * best[3] or n > MOST_PRICES + 1:
            return False
    best[3] = ceiling(energies, delays, outages, n, d_avg, epsilon, prices)
    return True


def raise_prices(prices, delay, outage, d_avg, epsilon, doubling):
    """Raise the price of each missed limit by the share 1e-7 2**doubling; tell whether any is.

    Parameters
    ----------
    prices : array of length 3, read and written
        Of energy, delay and outage.
    delay, outage : float
        Means at these prices, in s and as a share.
    d_avg, epsilon : float
        The limits.
    doubling : int
    """
    factor = 1.0 + 1e-7 * 2.0**doubling
    if delay > d_avg:
        prices[1] *= factor
    if outage > epsilon:
        prices[2] *= factor
    return delay > d_avg or outage > epsilon


_next_prices = numba.njit(next_prices, cache=True, nogil=True)


class Infeasible(ValueError):
    """No policy keeps the limits on this trace."""


class Point(NamedTuple):
    """Means of a policy over the slots: energy in J, delay in s, outage as a share."""

    energy: float
    delay: float
    outage: float


@dataclass(frozen=True, eq=False)
class Bound:
    """Lower and upper bound on the least mean energy.

    Attributes
    ----------
    energy : float
        Lower bound on the energy of any policy that keeps both limits on the trace, in J per slot.
    energy_saving : float
        Highest possible saving over full local inference on the same slots.
    delay_price, outage_price : float
        The prices λ of this bound, in J per second of mean delay and J per outage: the energy saved
        per unit by which a limit is loosened a little.
    primal : Point
        Means of a randomized policy that keeps both limits by mixing the slot-wise minima at
        several prices.
    gap : float
        ``primal.energy - energy``, in J per slot, at least 0 up to rounding: the uncertainty of
        the least energy.
    iterations : int
        Number of prices tried.
    """

    energy: float
    energy_saving: float
    delay_price: float
    outage_price: float
    primal: Point
    gap: float
    iterations: int


def lower_bound(scenario: Scenario, trace: Trace, tolerance: float = TOLERANCE) -> Bound:
    r"""Return a lower bound on the mean energy of any policy on a trace; see the module.

    Parameters
    ----------
    scenario : Scenario
        Gives costs and limits.
    trace : Trace
        All its slots count.
    tolerance : float
        Gap to the primal point at which to stop, as a share of its energy, in [1e-7, 1): the
        solver of linear programs is no more precise than that.

    Returns
    -------
    Bound

    Raises
    ------
    Infeasible
        If no policy keeps the limits; the message names a limit and the least value possible.
    TypeError, ValueError
        If an argument is of the wrong type or out of its range.
    """
    check_instance("scenario", scenario, Scenario)
    check_instance("trace", trace, Trace)
    check_real("tolerance", tolerance, "[1e-7, 1)")
    slots = _Slots(scenario, trace)
    limits = np.array([scenario.d_avg, scenario.epsilon])
    tried: list[Point] = []
    means, prices, best = np.zeros((3, MOST_PRICES + 2)), np.zeros(3), np.zeros(4)
    while _next_prices(*means, len(tried), *limits, tolerance, prices, best):
        tried.append(slots.at_prices(*prices))
        means[:, len(tried) - 1] = tried[-1]
        _check_feasible(tried[0], scenario)
    bound, delay_price, outage_price, _ = best.tolist()
    tried.pop()  # the last one is on the ceiling
    mixture = _mix(tried, limits)
    full_local = slots.means(Rule.over(scenario, [len(scenario.network.stages)])).energy
    return Bound(
        energy=bound,
        energy_saving=1 - bound / full_local if full_local else math.nan,
        delay_price=delay_price,
        outage_price=outage_price,
        primal=mixture,
        gap=mixture.energy - bound,
        iterations=len(tried) - 1,
    )


def _check_feasible(fastest: Point, scenario: Scenario) -> None:
    """Raise unless some policy keeps both limits.

    The shortest delay of a slot is an outage only if every delay is, so the fastest policy has both
    the least mean delay and the least outage.
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
    """The slots of a trace, prepared for minimization at any prices."""

    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self._scenario, self._trace = scenario, trace
        self._everything = slice(0, trace.n_slots)
        self._limits = upper_limits(scenario, trace.gain)

    def at_prices(self, energy_price: float, delay_price: float, outage_price: float) -> Point:
        """Return the means of the policy that minimizes each slot at some prices."""
        return self.means(priced(self._scenario, energy_price, delay_price, outage_price))

    def means(self, rule: Rule) -> Point:
        """Return the means of a policy."""
        loop = SlotLoop(self._scenario, self._trace, rule)
        loop.advance(self._everything, self._limits)
        sums = loop.sums.energy, loop.sums.delay, loop.sums.outages
        return Point(*(float(total[0]) / self._trace.n_slots for total in sums))


def priced(
    scenario: Scenario, energy_price: float, delay_price: float, outage_price: float
) -> Rule:
    """Return the rule that minimizes each slot exactly at fixed prices."""
    return Rule.over(
        scenario,
        rate="exact",
        energy_price=energy_price,
        delay_price=delay_price,
        outage_price=outage_price,
    )


def means_of(scenario: Scenario, trace: Trace, rules: Sequence[Rule]) -> list[Point]:
    """Return the means of each rule over all slots of a trace."""
    slots = _Slots(scenario, trace)
    return [slots.means(rule) for rule in rules]


def _mix(points: list[Point], limits: NDArray[np.float64]) -> Point:
    """Return the means of the best mixture of policies under the limits.

    The first policy keeps the limits. The unknowns are the shares of the others, so that the solver
    starts from a feasible point even if there is no other.
    """
    from scipy.optimize import linprog

    first, *others = np.array(points)
    room = limits - first[1:]
    gains = (np.array(others) - first).T
    scale = np.maximum(np.abs(gains).max(axis=1), 1e-300)  # of order one in any units
    found = linprog(
        gains[0] / scale[0],
        A_ub=np.vstack([gains[1:] / scale[1:, None], np.ones(len(others))]),
        b_ub=[*room / scale[1:], 1.0],
        method="highs",
    )
    change = gains @ found.x
    over = change[1:] > room  # by the solver's tolerance, which may be worth much energy
    change *= min([1.0, *(room[over] / change[1:][over])])
    return Point(*(float(value) for value in first + change))
