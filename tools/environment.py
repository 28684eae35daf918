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
    """Return, in a phrase each, which packages of the lock are missing or of another version."""
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


def _locked(lock: Path) -> dict[str, str]:
    """Return the version of each package for this machine; raise ValueError at a broken lock."""
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
    from llvmlite import binding

    return {
        "python": sys.version,
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": {each.name: each.version for each in metadata.distributions()},
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_NUMERIC)
        },
        "cpu": binding.get_host_cpu_name(),
        "cpu_features": binding.get_host_cpu_features().flatten(),
    }


def git_state(root: Path) -> str | None:
    """Return the commit, with ``-dirty`` if a file has changed since, or None without git."""
    command = ["git", f"--git-dir={root / '.git'}", "describe", "--always", "--exclude=*"]
    command += ["--abbrev=40", "--dirty"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
