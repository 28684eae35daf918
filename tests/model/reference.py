"""The surrogate of (17) and its KKT conditions, derived independently of the library."""

import numpy as np


def surrogate(rate, *, V, omega, gain, bandwidth, noise_psd):
    """Return the part of the surrogate of (17) that depends on the rate, for one bit."""
    power = noise_psd * bandwidth / gain * np.expm1(rate * np.log(2) / bandwidth)
    return (omega + V * power) / rate


def kkt_residual(rate, *, V, omega, gain, bandwidth, noise_psd, rate_min, rate_max):
    r"""Return the residual of the KKT conditions at a rate, relative to their terms.

    The surrogate J = (omega + V p(R)) / R has R^2 J' = V (R p'(R) - p(R)) - omega. With
    p(R) = (N0 B / h)(e^r - 1) and r = R ln2 / B, the bracket is (N0 B / h) times the integral of
    s e^s from 0 to r, which is computed by quadrature to avoid cancellation.
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
