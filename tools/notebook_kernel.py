"""The kernel that notebooks run in: IPython's own, started by this interpreter.

It drops no output and outlives no runner. A socket that publishes drops what its reader is slow to
take, by default after a thousand messages, and nobody is told. IPython's own watch over its parent
sleeps while a cell computes without letting other threads run.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelspec import get_kernel_dict
from IPython.core import application
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import default


def manager(environment: Mapping[str, str]) -> type[AsyncKernelManager]:
    """Return a class that starts this kernel in an environment, whatever the machine has."""

    class Manager(AsyncKernelManager):
        transport_encryption = "auto"  # else each kernel warns that it has none

        @default("transport")
        def _sockets_that_are_files(self) -> str:
            """Not the number of a free port, which another process may take meanwhile."""
            return "ipc"

        @default("ip")
        def _in_a_folder_of_their_own(self) -> str:
            return f"{tempfile.mkdtemp(prefix='kernel-')}/socket"

        async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
            await super().cleanup_resources(restart)
            shutil.rmtree(Path(self.ip).parent, ignore_errors=True)

        @property
        def kernel_spec(self) -> KernelSpec:
            # Without the working folder in its path, as IPython's own, which adds it later.
            command = [sys.executable, "-P", "-m", __name__, "-f", "{connection_file}"]
            return KernelSpec(**get_kernel_dict() | {"argv": command}, env=dict(environment))

    return Manager


class LosslessKernelApp(IPKernelApp):
    """Holds all output until it is read."""

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Open the socket for output."""
        context.sndhwm = 0
        super().init_iopub(context)


def forget_settings() -> None:
    """Have IPython look for no settings and startup files of the machine or the environment.

    Those of the user are in a folder that the runner replaces.
    """
    application.SYSTEM_CONFIG_DIRS.clear()
    application.ENV_CONFIG_DIRS.clear()


def end_with_parent() -> None:
    """Have Linux kill this process when the one that started it ends, whatever it does then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != int(os.environ["JPY_PARENT_PID"]):  # it has ended already
            sys.exit(1)


if __name__ == "__main__":
    end_with_parent()
    forget_settings()
    LosslessKernelApp.launch_instance()
