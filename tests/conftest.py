"""Fixtures that several tests share."""

import os
from pathlib import Path

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


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(2023)


@pytest.fixture(scope="session")
def root():
    """Return the folder of the repository."""
    return Path(__file__).resolve().parent.parent
