"""A researcher's first version of the loop: NumPy over splitting points, Python over slots.

It is written from the paper's equations alone. The benchmarks and the tests compare the library
with it.
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
            rate = rate_min  # at -1/e, the argument of W, rounding would give NaN
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
