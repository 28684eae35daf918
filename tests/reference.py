"""The loop that a researcher would write first: NumPy over splitting points, Python over slots.

Written from the paper's equations alone, as independent truth for the tests and as the baseline of
the benchmark.
"""

import numpy as np
from scipy.special import lambertw


def slot_loop(scenario, trace, V):
    """Run the adaptive controller; return the per-slot series by name."""
    profile = scenario.profile
    bits, energy_per_image = profile.offload_bits, profile.local_energy
    bandwidth, noise_psd = scenario.bandwidth, scenario.noise_psd
    noise = bandwidth * noise_psd
    names = ("split", "rate", "delay", "energy", "Z", "H")
    series = {name: np.zeros(trace.n_slots) for name in names}
    Z = H = 0.0
    for t in range(trace.n_slots):
        h, alpha, n = trace.gain[t], trace.availability[t], trace.arrivals[t]
        rate_min = bandwidth * np.log2(1 + scenario.p_min * h / noise)
        rate_max = bandwidth * np.log2(1 + scenario.p_max * h / noise)
        omega = Z + H / scenario.d_max
        if omega > 0:
            w = lambertw((omega * h / (V * noise) - 1) / np.e).real
            rate = np.clip(bandwidth / np.log(2) * (w + 1), rate_min, rate_max)
        else:
            rate = rate_min  # the argument of W is -1/e, where rounding gives NaN
        power = noise / h * (np.exp(rate * np.log(2) / bandwidth) - 1)

        local = profile.local_flops * n / scenario.device.flops_per_second  # (7)
        remote = profile.remote_flops * n / (alpha * scenario.host.flops_per_second)  # (9)
        sending = bits * n / rate  # (10)
        delay = local + sending + remote
        charged = n if scenario.local_energy_per == "image" else min(n, 1)
        energy = charged * energy_per_image + power * sending  # (8) with or without N(t), (11)
        outage = delay > scenario.d_max
        step = outage if scenario.split_objective == "step" else delay / scenario.d_max
        k = np.argmin(Z * delay + H * step + V * energy)  # (17), or its surrogate

        sent = rate if bits[k] * n > 0 else 0.0
        for name, value in zip(names, (k, sent, delay[k], energy[k], Z, H), strict=True):
            series[name][t] = value
        Z = max(0.0, Z + delay[k] - scenario.d_avg)  # (13)
        H = max(0.0, H + outage[k] - scenario.epsilon)  # (14)
    return series


def surrogate(rate, *, V, omega, gain, bandwidth, noise_psd):
    """Return what of the surrogate of (17) depends on the rate, for one bit."""
    power = noise_psd * bandwidth / gain * np.expm1(rate * np.log(2) / bandwidth)
    return (omega + V * power) / rate


def kkt_residual(rate, *, V, omega, gain, bandwidth, noise_psd, rate_min, rate_max):
    r"""Return by how much the rate misses the KKT conditions, relative to the terms in them.

    The surrogate J = (omega + V p(R)) / R has R^2 J' = V (R p'(R) - p(R)) - omega. With
    p(R) = (N0 B / h)(e^r - 1) and r = R ln2 / B the bracket is (N0 B / h) times the integral of
    s e^s from 0 to r, which quadrature gives without cancellation.
    """
    r = rate * np.log(2) / bandwidth
    nodes, weights = np.polynomial.legendre.leggauss(60)
    s = r * (nodes + 1) / 2
    rising = V * noise_psd * bandwidth / gain * r / 2 * np.sum(weights * s * np.exp(s))
    slope = (rising - omega) / (rising + omega)
    at_min, at_max = rate <= rate_min, rate >= rate_max
    if at_min and at_max:
        return 0.0
    if at_min:
        return min(slope, 0.0)
    if at_max:
        return max(slope, 0.0)
    return slope
