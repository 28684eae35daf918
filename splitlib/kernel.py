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

Other policies run in the same loop. What they minimize has the form of (17), with prices of their
own in the place of :math:`V, Z, H`; the rate may be the largest, that of (19), or the exact one.
**The exact rate.** For each splitting point, the cost without its step is convex in the rate's
time and least at (19) with :math:`\Omega = Z`. If that rate misses the deadline, only two can be
best: itself, at the price of an outage, or the one that just meets the deadline.

The rate, in nats per second and hertz, is :math:`r = R \ln 2 / B`. It stays at a limit of the
transmit power unless :math:`g(r_{min}) < \Omega h / (V N_0 B) < g(r_{max})` with
:math:`g(r) = (r - 1) e^r + 1`. The upper of these depends on the trace alone: `rate_limits`
prepares it once for all V, and most slots then need neither a logarithm nor the Lambert
function.
"""

import math

from numba.extending import register_jitable

#: Places in the array of totals that `run_slots` adds to.
#: CHARGED counts what (8) is charged for: images, or slots that have any. SENT counts the slots
#: that send, and RATE_INSIDE those of them whose rate lies strictly between its limits.
DELAY, ENERGY, OUTAGES, ARRIVALS, CHARGED, Z_SUM, H_SUM, LONGEST_DELAY, SENT, RATE_INSIDE = range(
    10
)
N_TOTALS = 10

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


def rate_limits(gain, n_slots, noise_power, p_max, r_max, g_max):
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


def run_slots(
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
    n_options,
    at_p_max,
    exact,
    learns,
    split_by_surrogate,
    energy_per_slot,
    energy_price,
    delay_price,
    outage_price,
    deadline,
    stage_limit,
    bandwidth,
    noise_power,
    p_min,
    p_max,
    d_avg,
    d_max,
    epsilon,
    queues,
    totals,
    option_histogram,
    objective,
    keep_history,
    option_history,
    rate_history,
    delay_history,
    energy_history,
    z_history,
    h_history,
):
    """Run ``n_slots`` slots: decide, pay, update the queues, add to the totals.

    It can be called again for the slots that follow, since all it remembers stands in
    ``queues``, ``totals`` and ``option_histogram``.

    Parameters
    ----------
    gain, availability, arrivals : arrays of length n_slots
        The trace: linear gain, share of the host, number of images.
    r_max, g_max : arrays
        Filled by `rate_limits`.
    n_slots : int
    local_delay, remote_delay : arrays of length n_options
        Time for one image on the device and on the whole free host, in s, for each option: mostly
        the splitting points that the policy may take.
    offload_bits, local_energy : arrays of length n_options
        Bits and J for one image.
    n_options : int
    at_p_max : bool
        Whether the rate is the largest one, rather than that of (19).
    exact : True or None
        Whether the rate is the one that is best with the step. None rather than False, so that a
        compiler leaves out what it does not need; the same with stage_limit.
    learns : bool
        Whether delay and outages are priced by the queues Z and H, rather than by the two prices.
    split_by_surrogate : bool
        Whether the splitting point minimizes the surrogate, rather than (17).
    energy_per_slot : bool
        Whether computing costs the same energy however many images a slot has, as (8) is printed.
    energy_price : float
        Weight of energy; where the policy learns, this is V, in s²/J.
    delay_price, outage_price : float
        Weights of delay and outage, for a policy that does not learn.
    deadline : float
        Delay above which the policy sees an outage, in s: d_max, unless it is stricter.
    stage_limit : float or None
        Where computing here, sending or computing there would last longer, in s, the option whose
        longest such stage is shortest is taken instead.
    bandwidth, noise_power, p_min, p_max : float
        In Hz and W.
    d_avg, d_max, epsilon : float
        Limits, in s, s and without unit.
    queues : array of length 2, read and written
        Z in s, and H.
    totals : array of length N_TOTALS, added to
    option_histogram : array of length n_options, added to
    objective : array of length n_options
        Scratch space.
    keep_history : bool
        Whether the arrays that follow (of length n_slots) are written.
    option_history, rate_history, delay_history, energy_history, z_history, h_history : arrays
        Decision and cost of each slot, and the queues that it met.
    """
    nats_per_bit = math.log(2.0)
    Z = queues[0]
    H = queues[1]
    for t in range(n_slots):
        n = float(arrivals[t])
        option = 0
        rate = 0.0
        delay = 0.0
        energy = 0.0
        charged = 0.0
        inside = 0.0

        if n > 0.0:
            charged = 1.0 if energy_per_slot else n
            if learns:
                delay_price = Z
                outage_price = H
            # Rate (19). c is the point where g(r) must be.
            omega = delay_price
            if exact is None:
                omega = delay_price + outage_price / deadline
            r = r_max[t]
            p = p_max
            if energy_price > 0.0 and not at_p_max:
                c = omega / energy_price * (gain[t] / noise_power)
                if c < g_max[t]:
                    snr = p_min * gain[t] / noise_power
                    r = log1p(snr)
                    p = p_min
                    if c > stationarity(r, snr):
                        r = stationary_rate(c, r_max[t])
                        p = math.expm1(r) * noise_power / gain[t]
                        inside = 1.0
            rate = r * bandwidth / nats_per_bit
            seconds_per_bit = FOREVER
            if rate > 0.0:
                seconds_per_bit = 1.0 / rate
            host_slowdown = 1.0 / availability[t]

            # Option: the least objective of (17), of equal ones the smallest. The objectives
            # stand in an array first, so that a compiler can vectorize this loop.
            price = omega if split_by_surrogate else delay_price
            step = 0.0 if split_by_surrogate else outage_price
            for k in range(n_options):
                d = n * (
                    local_delay[k]
                    + remote_delay[k] * host_slowdown
                    + offload_bits[k] * seconds_per_bit
                )
                e = charged * local_energy[k] + n * (offload_bits[k] * (p * seconds_per_bit))
                objective[k] = price * d + energy_price * e + (step if d > deadline else 0.0)
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
                if r_max[t] > 0.0:
                    fastest = nats_per_bit / (r_max[t] * bandwidth)
                for k in range(n_options):
                    computing = n * (local_delay[k] + remote_delay[k] * host_slowdown)
                    bits = n * offload_bits[k]
                    left = deadline - computing
                    # Only where the rate above misses the deadline, and a faster one meets it.
                    if bits * seconds_per_bit > left and left > 0.0 and left >= bits * fastest:
                        r = bits * nats_per_bit / (left * bandwidth)
                        p = min(p_max, math.expm1(r) * noise_power / gain[t])
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
                totals[SENT] += 1.0
                totals[RATE_INSIDE] += inside

        if keep_history:
            option_history[t] = option
            rate_history[t] = rate
            delay_history[t] = delay
            energy_history[t] = energy
            z_history[t] = Z
            h_history[t] = H

        option_histogram[option] += 1
        totals[DELAY] += delay
        totals[ENERGY] += energy
        totals[ARRIVALS] += n
        totals[CHARGED] += charged
        totals[Z_SUM] += Z
        totals[H_SUM] += H
        totals[LONGEST_DELAY] = max(totals[LONGEST_DELAY], delay)

        # Virtual queues (13) and (14).
        outage = 1.0 if delay > d_max else 0.0
        totals[OUTAGES] += outage
        Z = max(0.0, Z + delay - d_avg)
        H = max(0.0, H + outage - epsilon)
    queues[0] = Z
    queues[1] = H


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
