"""The same numbers on every machine: to the last bit, or to 1e-9 with equal decisions.

A separate process draws a trace and runs policies and bound on it, in environments that could
change the results. `make torture` does the same with all notebooks, in more environments.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

CODE = """
import json
import numpy as np
import splitlib as sl
scenario = sl.Scenario(alpha_max=0.3)
trace = sl.draw_trace(scenario, 1_500, rng=7)
found = {"gain": trace.gain, "availability": trace.availability, "arrivals": trace.arrivals}
for policy in ("adaptive", "exact", "full_offloading", "dads", "best_static"):
    result = sl.simulate(scenario, trace, V=0.3, policy=policy, burn_in=100, history=True)
    for name in ("split", "rate", "delay", "energy", "Z", "H"):
        found[f"{policy} {name}"] = getattr(result.history, name)
    found[f"{policy} mean"] = [result.mean_delay, result.outage, result.mean_energy]
bound = sl.lower_bound(scenario, trace.after(1_100))
found["bound"] = [bound.energy, bound.delay_price, bound.outage_price]
print(json.dumps({name: np.asarray(values).tolist() for name, values in found.items()}))
"""
FEATURES = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])


def numbers(**environment):
    """Return the results of the code in an environment."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def reference():
    return numbers(PYTHONHASHSEED="0")


@pytest.mark.parametrize("environment", [
    {"NUMBA_DISABLE_JIT": "1", "PYTHONHASHSEED": "1"},
    {"OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONHASHSEED": "2"},
], ids=["nothing compiled", "one thread"])  # fmt: skip
def test_numbers_are_identical_in_all_environments(reference, environment):
    assert numbers(**environment) == reference


def test_decisions_are_identical_on_other_processors(reference):
    found = numbers(
        NPY_DISABLE_CPU_FEATURES=",".join(FEATURES),
        OPENBLAS_CORETYPE="Nehalem",
        NUMBA_CPU_NAME="generic",
        NUMBA_CPU_FEATURES="",
    )
    assert found.keys() == reference.keys()
    for name, values in found.items():
        if name.endswith(("split", "arrivals")):
            assert values == reference[name], name
        else:
            np.testing.assert_allclose(values, reference[name], rtol=1e-9, err_msg=name)
