"""The environment of a run: whether it holds what the lock says, and what it is.

Asked before anything else is imported, so that a missing package is named in a sentence.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

#: How the variables that numerical libraries listen to begin.
_NUMERIC = (
    "BLIS_", "GLIBC_TUNABLES", "GOTO_", "LD_", "MALLOC_", "MKL_", "NPY_", "NUMBA_", "OMP_",
    "OPENBLAS_", "PANDAS_", "PYTHON", "SCIPY_",
)  # fmt: skip


def drift(root: Path) -> list[str]:
    """Return, in a phrase each, which packages of the lock are missing or of another version.

    Raises
    ------
    ValueError
        If the lock cannot be read.
    """
    try:
        locked = _locked(root / "requirements.lock")
    except ImportError:
        return ["packaging is missing"]
    found = []
    for name, version in locked.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is missing")
        else:
            if installed != version:
                found.append(f"{name} is {installed}, and {version} in the lock")
    return found


def mend() -> str:
    """Return the line that brings the environment back to the lock."""
    return f"{sys.executable} -m pip install --require-hashes -r requirements.lock"


def _locked(lock: Path) -> dict[str, str]:
    """Return the version of each package that the lock has for this machine."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = lock.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{lock.name} cannot be read: {type(error).__name__}") from error
    versions = {}
    for line in lines:
        if not line.strip() or line[0] in " #":  # hashes, and who wants the package
            continue
        try:
            requirement = Requirement(line.rstrip("\\ "))
            (specifier,) = requirement.specifier
        except (InvalidRequirement, ValueError) as error:
            raise ValueError(f"{lock.name} has a line without name==version: {line!r}") from error
        if requirement.marker is None or requirement.marker.evaluate():
            versions[requirement.name] = specifier.version
    return versions


def describe() -> dict[str, Any]:
    """Return what a result may depend on beyond its sources.

    That is the interpreter, the packages, the CPU, and variables that libraries listen to.
    """
    import numpy as np
    from llvmlite import binding

    features: Any = np.show_config(mode="dicts")
    return {
        "python": sys.version,
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": {each.name: each.version for each in metadata.distributions()},
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_NUMERIC)
        },
        "cpu": binding.get_host_cpu_name(),
        "cpu_features": features["SIMD Extensions"].get("found", []),
    }


def git_state(root: Path) -> dict[str, Any] | None:
    """Return commit and whether anything has changed since, or None where git knows nothing."""
    try:
        if Path(_git(root, "rev-parse", "--show-toplevel").strip()) != root.resolve():
            return None  # it knows of a folder around this one
        commit = _git(root, "rev-parse", "HEAD").strip()
        return {"commit": commit, "changed": bool(_git(root, "status", "--porcelain").strip())}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    # Variables such as GIT_DIR, which hooks have, may point to another repository.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=mine, capture_output=True, text=True, check=True
    )
    return done.stdout
