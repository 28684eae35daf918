r"""The slot loop in plain scalar Python.

It runs uncompiled (the reference) and compiled by Numba (see `splitlib.simulate`), with results
equal to the last bit. It makes no NumPy calls, so it can be transpiled as well. In slot
:math:`t`, for splitting point :math:`k` and rate :math:`R`,

.. math::

   D_l &= W_{0 \to k} N / f_l \qquad (7) \\
   E_l &= N \textstyle\sum_{j=0}^{k} E_j
       \qquad \text{(8); the paper omits } N \text{, as } \mathtt{energy\_per\_slot} \text{ does} \\
   D_r &= W_{k+1 \to J} N / (\alpha_r f_r) \qquad (9) \\
   D_{tx} &= L_k N / R \qquad (10) \\
   E_{tx} &= p(R) D_{tx} \qquad (11)

with :math:`D_{tot} = D_l + D_{tx} + D_r` and :math:`E_{tot} = E_l + E_{tx}`. The limits of (12)
on mean delay and outage become the virtual queues

.. math::

   Z(t+1) &= \max(0, Z(t) + D_{tot}(t) - D_{avg}) \qquad (13) \\
   H(t+1) &= \max(0, H(t) + u\{D_{tot}(t) - D_{max}\} - \epsilon). \qquad (14)

The drift-plus-penalty function (15) and its upper bound (16) lead to the problem of a slot,

.. math:: \min_{k, R} \; Z D_{tot} + H u\{D_{tot} - D_{max}\} + V E_{tot}. \qquad (17)

The rate minimizes its surrogate (:math:`u` replaced by :math:`D_{tot} / D_{max}`), whose
derivative is (18) and whose minimum is (19): see `splitlib.channel`. The splitting point
minimizes (17) itself at that rate (or, with ``split_by_surrogate``, the surrogate); ties go to the
smallest.

Other policies run in the same loop. They minimize (17) with fixed prices instead of
:math:`V, Z, H`; the rate may be the largest, that of (19), or the exact one.

**The exact rate.** For each splitting point, the cost without its step is convex in the time per
bit and least at (19) with :math:`\Omega = Z`. If that rate misses the deadline, only two rates can
be best: that one, at the price of an outage, or the one that just meets the deadline.

The rate, in nats per second and hertz, is :math:`r = R \ln 2 / B`. It is at a limit of the
transmit power unless :math:`g(r_{min}) < \Omega h / (V N_0 B) < g(r_{max})` with
:math:`g(r) = (r - 1) e^r + 1`. The upper limit depends on the trace alone: `fill_upper_limits`
prepares it once for all V, and most slots then need neither a logarithm nor the Lambert function.
"""

import math
from typing import Any, NamedTuple

from numba.extending import register_jitable

#: Slots whose costs all runs share, a power of two: few enough for the fastest cache.
BLOCK = 8

#: Seconds per bit at rate 0: longer than any real time, but finite, so that sending no bits takes
#: no time instead of 0 × inf = NaN.
FOREVER = 1e150


@register_jitable
def log1p(x):
    """Return ``log(1 + x)`` for x >= 0, accurate for small x too.

    Kahan's form takes a quarter of the time of `math.log1p`, which would dominate the preparation
    of a slot.
    """
    u = 1.0 + x
    if u == 1.0:
        return x
    return math.log(u) * (x / (u - 1.0))


@register_jitable
def stationarity(r, snr):
    """Return ``g(r) = (r - 1) e^r + 1``, where ``snr = e^r - 1``.

    Below r = 0.05 it uses the power series, because the closed form cancels there.
    """
    if r < 0.05:
        series = 1 / 30 + r * (1 / 144 + r * (1 / 840 + r / 5760))
        return r * r * (1 / 2 + r * (1 / 3 + r * (1 / 8 + r * series)))
    return r * (1.0 + snr) - snr


@register_jitable
def stationary_rate(c, r_max):
    """Return the ``r`` in (0, r_max] with ``g(r) = c``, for ``0 < c <= g(r_max)``.

    Newton's method on g, which is convex and increasing, starts at or above the root and decreases
    monotonically. The start follows from g(r) >= r^2 / 2 and W0(x) <= log(1 + x).
    """
    r = min(r_max, math.sqrt(2.0 * c))
    if c > 1.0:
        r = min(r, 1.0 + log1p((c - 1.0) / math.e))
    for _ in range(50):
        snr = math.expm1(r)
        step = (stationarity(r, snr) - c) / (r * (1.0 + snr))
        r -= step
        if step <= 1e-15 * r:
            break
    return r


def fill_upper_limits(gain, n_slots, noise_power, p_max, r_max, g_max):
    """Write each slot's upper limit of r = R ln2 / B, and g(r) there.

    Parameters
    ----------
    gain : array of length n_slots
        Channel gain, linear.
    n_slots : int
    noise_power : float
        N0 B, in W.
    p_max : float
        Largest transmit power, in W.
    r_max, g_max : arrays of at least n_slots, written
    """
    for t in range(n_slots):
        snr = p_max * gain[t] / noise_power
        r_max[t] = log1p(snr)
        g_max[t] = stationarity(r_max[t], snr)


class Slots(NamedTuple):
    """Channel, host and load in ``n`` slots; arrays of at least n.

    Attributes
    ----------
    gain, availability, arrivals : arrays
        The trace: linear gain, free share of the host, number of images.
    r_max, g_max : arrays
        Filled by `fill_upper_limits`.
    n : int
    """

    gain: Any
    availability: Any
    arrivals: Any
    r_max: Any
    g_max: Any
    n: int


class Options(NamedTuple):
    """Options of a policy, usually the splitting points; arrays of length ``n``.

    Attributes
    ----------
    local_delay, remote_delay : arrays
        Time for one image on the device and on the fully free host, in s.
    offload_bits, local_energy : arrays
        Bits and J for one image.
    objective : array, written
        Scratch space for the objective of one slot.
    n : int
    """

    local_delay: Any
    remote_delay: Any
    offload_bits: Any
    local_energy: Any
    objective: Any
    n: int


class Prices(NamedTuple):
    """Prices in the objective of a policy, for ``n`` runs side by side.

    Attributes
    ----------
    energy : array of length n
        Price of energy; with virtual queues these are the weights V, in s²/J.
    delay, outage : float
        Prices of delay and outage if there are no virtual queues.
    virtual_queues : bool
        Whether Z and H are the prices of delay and outage, as in (17).
    at_p_max : bool
        Whether the rate is the largest, rather than that of (19).
    split_by_surrogate : bool
        Whether the splitting point minimizes the surrogate, rather than (17).
    deadline : float
        Delay above which the policy counts an outage, in s: d_max, unless the policy is stricter.
    n : int
    """

    energy: Any
    delay: float
    outage: float
    virtual_queues: bool
    at_p_max: bool
    split_by_surrogate: bool
    deadline: float
    n: int


class Setting(NamedTuple):
    """Scenario parameters used by the loop.

    Attributes
    ----------
    bandwidth, noise_power, p_min, p_max : float
        B in Hz, N0 B and the limits of the transmit power in W.
    d_avg, d_max, epsilon : float
        Limits of (12), in s, s and without unit.
    energy_per_slot : bool
        Whether computing costs the same energy for any number of images, as (8) is printed.
    """

    bandwidth: float
    noise_power: float
    p_min: float
    p_max: float
    d_avg: float
    d_max: float
    epsilon: float
    energy_per_slot: bool


class Sums(NamedTuple):
    """State and totals of runs side by side; arrays with one entry for each run.

    Attributes
    ----------
    Z, H : arrays
        Virtual queues, carried from slot to slot, in s and without unit.
    delay, energy, outages, arrivals, longest_delay : arrays
        Totals (and the maximum) over the slots so far, in s and J.
    charged : array
        How often (8) was charged: once per image, or once per slot with images.
    sending, rate_inside : arrays
        Number of slots that send, and of those whose rate is strictly between its limits.
    Z_sum, H_sum : arrays
        Sums of the queues at the beginning of each slot.
    histogram : array of shape (n_runs, n_options)
        How often each option was taken.
    """

    Z: Any
    H: Any
    delay: Any
    energy: Any
    outages: Any
    arrivals: Any
    longest_delay: Any
    charged: Any
    sending: Any
    rate_inside: Any
    Z_sum: Any
    H_sum: Any
    histogram: Any


class Costs(NamedTuple):
    """Costs of all options in a `BLOCK` of slots, shared by the runs.

    Slot i of a block has three rows: 3 i at p_max, 3 i + 1 at p_min, and 3 i + 2 at a power between
    them, which is never shared.

    Attributes
    ----------
    is_known : array of bool
        Whether the row has been computed.
    rate, seconds_per_bit : arrays
        Of each row.
    delay, energy : arrays of shape (3 BLOCK, n_options)
    r_min, g_min : arrays of length BLOCK
        The lower limit of r, and g(r) there; g_min is negative until computed.
    """

    is_known: Any
    rate: Any
    seconds_per_bit: Any
    delay: Any
    energy: Any
    r_min: Any
    g_min: Any


class Series(NamedTuple):
    """Decision and cost of each slot, and the queues before it; arrays (n_slots, n_runs)."""

    option: Any
    rate: Any
    delay: Any
    energy: Any
    Z: Any
    H: Any


def run_slots(slots, options, prices, exact, stage_limit, setting, costs, sums, series):
    """Run slots: decide, add up the costs, update the virtual queues.

    Runs side by side differ only in the price of energy, like the V of a sweep. The costs of a
    slot's options at the two limits of the power are the same for all runs and computed once. Call
    the function again for the slots that follow: it keeps all its state in ``sums``.

    Parameters
    ----------
    slots : Slots
    options : Options
    prices : Prices
    exact : True or None
        Whether to use the exact rate. None rather than False, here and in the other arguments that
        may be None, so that the compiler omits code that is not needed.
    stage_limit : float or None
        Limit in s on each stage (computing on the device, sending, computing on the host). If the
        chosen option exceeds it, the option whose longest stage is shortest is taken instead.
    setting : Setting
    costs : Costs or None, written
        None for a single run, which shares nothing.
    sums : Sums, updated
    series : Series or None, written
    """
    nats_per_bit = math.log(2.0)
    n_options = options.n
    local_delay, remote_delay = options.local_delay, options.remote_delay
    offload_bits, local_energy = options.offload_bits, options.local_energy
    objective = options.objective
    deadline = prices.deadline
    block = BLOCK if costs is not None else slots.n
    for start in range(0, slots.n, block):
        stop = min(start + block, slots.n)
        if costs is not None:
            for i in range(BLOCK):
                costs.g_min[i] = -1.0
                costs.is_known[3 * i] = False
                costs.is_known[3 * i + 1] = False
        for v in range(prices.n):
            Z = sums.Z[v]
            H = sums.H[v]
            energy_price = prices.energy[v]
            for t in range(start, stop):
                n = float(slots.arrivals[t])
                option = 0
                rate = 0.0
                delay = 0.0
                energy = 0.0
                charged = 0.0

                if n > 0.0:
                    charged = 1.0 if setting.energy_per_slot else n
                    host_slowdown = 1.0 / slots.availability[t]
                    delay_price = Z if prices.virtual_queues else prices.delay
                    outage_price = H if prices.virtual_queues else prices.outage
                    # Rate (19), which solves g(r) = c.
                    omega = delay_price
                    if exact is None:
                        omega = delay_price + outage_price / deadline
                    i = t & (BLOCK - 1)
                    row = 3 * i
                    inside = 0.0
                    r = slots.r_max[t]
                    p = setting.p_max
                    if energy_price > 0.0 and not prices.at_p_max:
                        c = omega / energy_price * (slots.gain[t] / setting.noise_power)
                        if c < slots.g_max[t]:
                            row = 3 * i + 1
                            p = setting.p_min
                            g_min = -1.0
                            if costs is not None:
                                r = costs.r_min[i]
                                g_min = costs.g_min[i]
                            if g_min < 0.0:
                                snr = p * slots.gain[t] / setting.noise_power
                                r = log1p(snr)
                                g_min = stationarity(r, snr)
                                if costs is not None:
                                    costs.r_min[i] = r
                                    costs.g_min[i] = g_min
                            if c > g_min:
                                row = 3 * i + 2
                                r = stationary_rate(c, slots.r_max[t])
                                p = math.expm1(r) * setting.noise_power / slots.gain[t]
                                inside = 1.0

                    # The option that minimizes (17); ties go to the first. The objectives are
                    # stored in an array first so that the compiler can vectorize.
                    price = omega if prices.split_by_surrogate else delay_price
                    step = 0.0 if prices.split_by_surrogate else outage_price
                    is_known = False
                    seconds_per_bit = FOREVER
                    if costs is not None:  # noqa: SIM102 - Numba prunes only a lone `is not None`
                        if costs.is_known[row] and inside == 0.0:
                            is_known = True
                            rate = costs.rate[row]
                            seconds_per_bit = costs.seconds_per_bit[row]
                            for k in range(n_options):
                                d = costs.delay[row][k]
                                e = costs.energy[row][k]
                                late = step if d > deadline else 0.0
                                objective[k] = price * d + energy_price * e + late
                    if not is_known:
                        rate = r * setting.bandwidth / nats_per_bit
                        if rate > 0.0:
                            seconds_per_bit = 1.0 / rate
                        joules_per_bit = p * seconds_per_bit
                        for k in range(n_options):
                            d = n * (
                                local_delay[k]
                                + remote_delay[k] * host_slowdown
                                + offload_bits[k] * seconds_per_bit
                            )
                            e = charged * local_energy[k] + n * (offload_bits[k] * joules_per_bit)
                            if costs is not None:
                                costs.delay[row][k] = d
                                costs.energy[row][k] = e
                            late = step if d > deadline else 0.0
                            objective[k] = price * d + energy_price * e + late
                        if costs is not None:
                            costs.is_known[row] = True
                            costs.rate[row] = rate
                            costs.seconds_per_bit[row] = seconds_per_bit
                    least = objective[0]
                    for k in range(1, n_options):
                        least = min(least, objective[k])
                    while objective[option] > least:
                        option += 1

                    if stage_limit is not None:
                        computing = max(local_delay[option], remote_delay[option] * host_slowdown)
                        if n * max(computing, offload_bits[option] * seconds_per_bit) > stage_limit:
                            least = FOREVER
                            for k in range(n_options):
                                computing = max(local_delay[k], remote_delay[k] * host_slowdown)
                                longest = max(computing, offload_bits[k] * seconds_per_bit)
                                if longest < least:
                                    least = longest
                                    option = k

                    if costs is not None:
                        delay = costs.delay[row][option]
                        energy = costs.energy[row][option]
                    else:
                        delay = n * (
                            local_delay[option]
                            + remote_delay[option] * host_slowdown
                            + offload_bits[option] * seconds_per_bit
                        )
                        energy = charged * local_energy[option] + n * (
                            offload_bits[option] * (p * seconds_per_bit)
                        )

                    if exact is not None:
                        fastest = FOREVER
                        if slots.r_max[t] > 0.0:
                            fastest = nats_per_bit / (slots.r_max[t] * setting.bandwidth)
                        for k in range(n_options):
                            computing = n * (local_delay[k] + remote_delay[k] * host_slowdown)
                            bits = n * offload_bits[k]
                            left = deadline - computing
                            # Only if the rate above misses the deadline and a faster one meets it.
                            misses = bits * seconds_per_bit > left
                            if misses and left > 0.0 and left >= bits * fastest:
                                r = bits * nats_per_bit / (left * setting.bandwidth)
                                p = math.expm1(r) * setting.noise_power / slots.gain[t]
                                p = min(setting.p_max, p)
                                e = charged * local_energy[k] + p * left
                                cost = delay_price * deadline + energy_price * e
                                if cost < least:
                                    least = cost
                                    option = k
                                    rate = bits / left
                                    delay = deadline
                                    energy = e
                                    inside = 1.0

                    if offload_bits[option] == 0.0:
                        rate = 0.0
                    else:
                        sums.sending[v] += 1.0
                        sums.rate_inside[v] += inside

                if series is not None:
                    series.option[t][v] = option
                    series.rate[t][v] = rate
                    series.delay[t][v] = delay
                    series.energy[t][v] = energy
                    series.Z[t][v] = Z
                    series.H[t][v] = H

                sums.histogram[v][option] += 1
                sums.delay[v] += delay
                sums.energy[v] += energy
                sums.arrivals[v] += n
                sums.charged[v] += charged
                sums.Z_sum[v] += Z
                sums.H_sum[v] += H
                sums.longest_delay[v] = max(sums.longest_delay[v], delay)

                # Virtual queues (13) and (14).
                outage = 1.0 if delay > setting.d_max else 0.0
                sums.outages[v] += outage
                Z = max(0.0, Z + delay - setting.d_avg)
                H = max(0.0, H + outage - setting.epsilon)
            sums.Z[v] = Z
            sums.H[v] = H


def have_settled(z_growth, h_growth, n_slots, d_avg, d_max, epsilon, tolerance):
    """Tell whether virtual queues with this growth have settled; see `splitlib.settled`.

    Parameters
    ----------
    z_growth, h_growth : float or array
        Growth of Z (in s) and H per slot.
    n_slots : int
        Number of measured slots.
    d_avg, d_max, epsilon : float
        Limits, in s, s and without unit.
    tolerance : float
        Allowed growth, as a share of the limits.
    """
    delay_settled = z_growth <= max(tolerance * d_avg, d_max / n_slots)
    outage_settled = h_growth <= max(tolerance * epsilon, 1.0 / n_slots)
    return delay_settled & outage_settled
