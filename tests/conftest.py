"""Fixtures that several tests share."""

from pathlib import Path

import numpy as np
import pytest

import splitlib as sl


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
