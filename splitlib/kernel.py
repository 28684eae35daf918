r"""The slot loop, once, in plain scalar Python.

It runs as it is (the reference) and compiled by Numba (see `splitlib.simulate`), with the same
result to the last bit; no NumPy call stands inside, so that it can be transpiled as well. In
slot :math:`t`, for splitting point :math:`k` and rate :math:`R`,

.. math::

   D_l &= W_{0 \to k} N / f_l \qquad (7) \\
   E_l &= N \textstyle\sum_{j=0}^{k} E_j
       \qquad \text{(8); the paper leaves out } N \text{, as with } \mathtt{energy\_per\_slot} \\
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
minimizes (17) itself at that rate (or, with ``split_by_surrogate``, the surrogate); of equal ones
the smallest is taken.

Other policies run in the same loop. What they minimize has the form of (17), with fixed prices
instead of :math:`V, Z, H`; the rate may be the largest, that of (19), or the exact one.

**The exact rate.** For each splitting point, the cost without its step is convex in the rate's
time and least at (19) with :math:`\Omega = Z`. If that rate misses the deadline, only two can be
best: itself, at the price of an outage, or the one that just meets the deadline.

The rate, in nats per second and hertz, is :math:`r = R \ln 2 / B`. It stays at a limit of the
transmit power unless :math:`g(r_{min}) < \Omega h / (V N_0 B) < g(r_{max})` with
:math:`g(r) = (r - 1) e^r + 1`. The upper of these depends on the trace alone:
`fill_upper_limits` prepares it once for all V, and most slots then need neither a logarithm nor the
Lambert function.
"""

import math
from typing import Any, NamedTuple

from numba.extending import register_jitable

#: Slots whose costs are kept for all runs, a power of two: few enough for the fastest cache.
BLOCK = 8

#: Seconds for one bit where the rate is 0: longer than anything, yet finite, so that sending no
#: bits still takes no time and no product with it becomes NaN.
FOREVER = 1e150


@register_jitable
def log1p(x):
    """Return ``log(1 + x)`` for x >= 0, to the last digits also where x is small.

    Kahan's form: it needs a quarter of the time of `math.log1p`, which would be most of what
    preparing a slot takes.
    """
    u = 1.0 + x
    if u == 1.0:
        return x
    return math.log(u) * (x / (u - 1.0))


@register_jitable
def stationarity(r, snr):
    """Return ``g(r) = (r - 1) e^r + 1``, where ``snr = e^r - 1``.

    Below r = 0.05 its power series is used, since the closed form cancels there.
    """
    if r < 0.05:
        series = 1 / 30 + r * (1 / 144 + r * (1 / 840 + r / 5760))
        return r * r * (1 / 2 + r * (1 / 3 + r * (1 / 8 + r * series)))
    return r * (1.0 + snr) - snr


@register_jitable
def stationary_rate(c, r_max):
    """Return the ``r`` in (0, r_max] with ``g(r) = c``, for ``0 < c <= g(r_max)``.

    Newton's method on the convex growing g, from a point at or above the root: it falls
    monotonically. The start uses g(r) >= r^2 / 2 and W0(x) <= log(1 + x).
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
    """Fill in, for each slot, the upper limit of r = R ln2 / B, and g(r) there.

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
    """What the world brings in ``n`` slots; arrays of at least n.

    Attributes
    ----------
    gain, availability, arrivals : arrays
        The trace: linear gain, share of the host, number of images.
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
    """What a policy may choose from, mostly the splitting points; arrays of length ``n``.

    Attributes
    ----------
    local_delay, remote_delay : arrays
        Time for one image on the device and on the whole free host, in s.
    offload_bits, local_energy : arrays
        Bits and J for one image.
    objective : array, written
        Scratch space: what a run minimizes in a slot.
    n : int
    """

    local_delay: Any
    remote_delay: Any
    offload_bits: Any
    local_energy: Any
    objective: Any
    n: int


class Prices(NamedTuple):
    """What a policy minimizes, in each of ``n`` runs side by side.

    Attributes
    ----------
    energy : array of length n
        Price of energy; with virtual queues these are the weights V, in s²/J.
    delay, outage : float
        Prices of delay and outage, where there are no virtual queues.
    virtual_queues : bool
        Whether Z and H are the prices of delay and outage, as in (17).
    at_p_max : bool
        Whether the rate is the largest one, rather than that of (19).
    split_by_surrogate : bool
        Whether the splitting point minimizes the surrogate, rather than (17).
    deadline : float
        Delay above which the policy sees an outage, in s: d_max, unless it is stricter.
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
    """What of the scenario the loop needs.

    Attributes
    ----------
    bandwidth, noise_power, p_min, p_max : float
        B in Hz, N0 B and the limits of the transmit power in W.
    d_avg, d_max, epsilon : float
        Limits of (12), in s, s and without unit.
    energy_per_slot : bool
        Whether computing costs the same energy however many images a slot has, as (8) is printed.
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
    """What runs side by side add up; arrays with one entry for each run.

    Attributes
    ----------
    Z, H : arrays
        The virtual queues, which remember what came before, in s and without unit.
    delay, energy, outages, arrivals, longest_delay : arrays
        Of the slots so far, in s and J.
    charged : array
        What (8) is charged for: images, or slots that have any.
    sending, rate_inside : arrays
        Slots that send, and those of them whose rate lies strictly between its limits.
    Z_sum, H_sum : arrays
        Of the queues that each slot met.
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
    """What the options of a `BLOCK` of slots cost at three powers, for all runs to share.

    The i-th slot of a block is in row 3 i at p_max, in 3 i + 1 at p_min, and in 3 i + 2 at a power
    between, which is of one run alone.

    Attributes
    ----------
    is_known : array of bool
        Whether a row holds the costs of its slot.
    rate, seconds_per_bit : arrays
        Of each row.
    delay, energy : arrays of shape (3 BLOCK, n_options)
    r_min, g_min : arrays of length BLOCK
        The lower limit of r, and g(r) there; negative while it is not known.
    """

    is_known: Any
    rate: Any
    seconds_per_bit: Any
    delay: Any
    energy: Any
    r_min: Any
    g_min: Any


class Series(NamedTuple):
    """Decision and cost of each slot and the queues that it met; arrays (n_slots, n_runs)."""

    option: Any
    rate: Any
    delay: Any
    energy: Any
    Z: Any
    H: Any


def run_slots(slots, options, prices, exact, stage_limit, setting, costs, sums, series):
    """Run slots: decide, pay, update the virtual queues, add to the sums.

    Runs side by side differ in the price of energy alone, as all V of a sweep do. What a slot's
    options cost at the two limits of the power is the same for all of them, and computed once. The
    function can be called again for the slots that follow: all it remembers is in ``sums``.

    Parameters
    ----------
    slots : Slots
    options : Options
    prices : Prices
    exact : True or None
        Whether the rate is the one that is best with the step. None rather than False, here and in
        the other arguments that may be None, so that the compiler leaves out what is not needed.
    stage_limit : float or None
        Where computing here, sending or computing there would last longer, in s, the option whose
        longest such stage is shortest is taken instead.
    setting : Setting
    costs : Costs or None, written
        None for a single run, which has nobody to share with.
    sums : Sums, added to
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
                    # Rate (19). c is the point where g(r) must be.
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

                    # Option: the least objective of (17), of equal ones the smallest. The
                    # objectives are put into an array first, so that a compiler can vectorize.
                    price = omega if prices.split_by_surrogate else delay_price
                    step = 0.0 if prices.split_by_surrogate else outage_price
                    is_known = False
                    seconds_per_bit = FOREVER
                    if costs is not None:  # noqa: SIM102 - a test of its own, else the compiler keeps it
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
                            # Only where the rate above misses the deadline, and a faster one
                            # meets it.
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
    """Tell whether virtual queues that grow so have settled; see `splitlib.settled`.

    Parameters
    ----------
    z_growth, h_growth : float or array
        Growth of Z (in s) and H for each slot.
    n_slots : int
        How many slots it was measured over.
    d_avg, d_max, epsilon : float
        Limits, in s, s and without unit.
    tolerance : float
        Share of the limits.
    """
    delay_settled = z_growth <= max(tolerance * d_avg, d_max / n_slots)
    outage_settled = h_growth <= max(tolerance * epsilon, 1.0 / n_slots)
    return delay_settled & outage_settled
