r"""Random numbers for the book's pages, which both Python and the browser can draw.

NumPy's generators do not run in a browser, so the pages draw their trace with L'Ecuyer's combined
multiple recursive generator MRG32k3a (Operations Research 47(1), 1999), of period
:math:`2^{191}`:

.. math::

   x_n &= (1403580 \, x_{n-2} - 810728 \, x_{n-3}) \bmod m_1, & m_1 &= 2^{32} - 209 \\
   y_n &= (527612 \, y_{n-1} - 1370589 \, y_{n-3}) \bmod m_2, & m_2 &= 2^{32} - 22853 \\
   u_n &= ((x_n - y_n) \bmod m_1) / (m_1 + 1), & &\text{with } m_1 \text{ in place of } 0.

All products are below :math:`2^{53}`, so floating-point numbers hold them exactly, and the
uniform :math:`u_n \in (0, 1)` agree to the last bit in Python, compiled by Numba, and in the
JavaScript that `splitlib.explorer` generates from this module. For that reason everything but
`initial_state` is plain scalar Python, as in `splitlib.kernel`.

Each slot uses three uniforms, one each for fading, availability and load. They do not depend on
the scenario, so a slider changes a slot's values smoothly (common random numbers).
"""

import math

from numba.extending import register_jitable

M1 = 4294967087.0
M2 = 4294944443.0

#: Largest arrival rate for which `poisson_quantile` starts above the smallest double.
MAX_ARRIVAL_RATE = 500.0


def initial_state(seed):
    r"""Return the initial state of the stream ``seed``.

    Streams start :math:`2^{127}` numbers apart, as in L'Ecuyer et al., Operations Research 50(6),
    2002; in stream 0 all six values are 12345, as in that paper.

    Parameters
    ----------
    seed : int
        Number of the stream, at least 0.

    Returns
    -------
    list of 6 float
        The last three x, then the last three y, oldest first.
    """
    state = []
    for matrix, modulus in (
        (((0, 1, 0), (0, 0, 1), (-810728, 1403580, 0)), int(M1)),
        (((0, 1, 0), (0, 0, 1), (-1370589, 0, 527612)), int(M2)),
    ):
        jump = _matrix_power(_matrix_power(matrix, 2**127, modulus), seed, modulus)
        state += [float(12345 * sum(row) % modulus) for row in jump]
    return state


def _matrix_power(matrix, exponent, modulus):
    """Return a power of a 3 × 3 integer matrix by repeated squaring."""
    power = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    while exponent:
        if exponent & 1:
            power = _matrix_product(power, matrix, modulus)
        matrix = _matrix_product(matrix, matrix, modulus)
        exponent >>= 1
    return power


def _matrix_product(left, right, modulus):
    columns = tuple(zip(*right, strict=True))
    return tuple(
        tuple(sum(a * b for a, b in zip(row, column, strict=True)) % modulus for column in columns)
        for row in left
    )


@register_jitable
def next_uniform(state):
    """Return the next uniform number in (0, 1), and advance ``state``."""
    x = 1403580.0 * state[1] - 810728.0 * state[0]
    x -= math.floor(x / M1) * M1
    y = 527612.0 * state[5] - 1370589.0 * state[3]
    y -= math.floor(y / M2) * M2
    state[0] = state[1]
    state[1] = state[2]
    state[2] = x
    state[3] = state[4]
    state[4] = state[5]
    state[5] = y
    difference = x - y
    if difference <= 0.0:
        difference += M1
    return difference / (M1 + 1.0)


@register_jitable
def poisson_quantile(u, mean):
    """Return the smallest n with P(N <= n) >= u for a Poisson N with ``mean``, by summation."""
    n = 0.0
    probability = math.exp(-mean)
    cumulated = probability
    while cumulated < u and probability > 0.0:
        n += 1.0
        probability *= mean / n
        cumulated += probability
    return n


def fill_uniforms(state, n_slots, uniforms):
    """Fill ``uniforms``, of length 3 n_slots, with three uniforms for each slot."""
    for i in range(3 * n_slots):
        uniforms[i] = next_uniform(state)


def fill_gain(uniforms, n_slots, mean_gain, gain):
    """Turn the first uniform of each slot into its gain: Rayleigh fading around ``mean_gain``."""
    for t in range(n_slots):
        gain[t] = mean_gain * -math.log(uniforms[3 * t])


def fill_availability(uniforms, n_slots, alpha_min, alpha_max, availability):
    """Turn the second uniform of each slot into the host's availability, within its limits."""
    for t in range(n_slots):
        availability[t] = max(alpha_min, alpha_max * uniforms[3 * t + 1])


def fill_arrivals(uniforms, n_slots, arrival_rate, arrivals):
    """Turn the third uniform of each slot into its number of images; see `MAX_ARRIVAL_RATE`."""
    for t in range(n_slots):
        arrivals[t] = poisson_quantile(uniforms[3 * t + 2], arrival_rate)
