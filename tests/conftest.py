"""Fixtures that several tests share."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from jupyter_client.connect import LocalPortCache
from xdist.scheduler import LoadScopeScheduling

import splitlib as sl
from tests.book.ports import free_port


def pytest_configure():
    """Make tests depend on nothing else that runs at the same time."""
    # On a busy machine any example may take long.
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")
    # Ports of kernels are looked up before they take them.
    LocalPortCache.find_available_port = lambda cache, ip: free_port()
    # A bar shows after a second, and nbval sees it where it wants a table alone.
    os.environ["TQDM_DISABLE"] = "1"


class Scheduler(LoadScopeScheduling):
    """Hands out single tests, but in one piece what shares a kernel or something costly."""

    # All pages parsed, PaddlePaddle imported, a notebook run.
    together = (
        "tests/book/test_book.py",
        "tests/model/test_network.py",
        "tests/book/test_build.py",
    )

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if file.endswith(".ipynb") or file in self.together else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Decide which process runs what, for ``-n``."""
    return Scheduler(config, log)


@pytest.fixture(scope="session")
def scenario():
    """Return the paper's scenario."""
    return sl.Scenario()


@pytest.fixture(scope="session")
def sweeps():
    """Return the two policies on a small grid; the largest V cannot settle on it."""
    grid = {"alpha_max": [1.0, 0.1], "seeds": 3, "n_slots": 12_000, "burn_in": 2_000}
    grid["progress"] = False
    adaptive = sl.sweep(sl.Scenario(), V=[0.1, 0.01, 100.0], **grid)
    return adaptive, sl.sweep(sl.Scenario(), policy="full_offloading", **grid)


@pytest.fixture(scope="session")
def compared():
    """Return three policies under two conditions."""
    names = ["adaptive", "full_local", "full_offloading"]
    run = {"seeds": 2, "n_slots": 12_000, "burn_in": 2_000, "progress": False}
    return sl.compare(sl.Scenario(), names, V=0.1, alpha_max=[1.0, 0.1], **run)


@pytest.fixture
def no_screen():
    """Draw without a screen, and close all figures after the test."""
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(2023)


@pytest.fixture(scope="session")
def root():
    """Return the folder of the repository."""
    return Path(__file__).resolve().parent.parent
