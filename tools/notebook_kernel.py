"""The kernel that notebooks run in: IPython's own, which drops no output and outlives no runner.

A socket that publishes drops what its reader is slow to take, by default after a thousand messages,
and nobody is told. IPython's own watch over its parent sleeps while a cell computes without letting
other threads run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp
from IPython.core import application


class LosslessKernelApp(IPKernelApp):
    """Holds all output until it is read."""

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Open the socket for output."""
        context.sndhwm = 0
        super().init_iopub(context)

    def start(self) -> None:
        """Work until told to end, and let the thread that was told so have its last word.

        Else what it says it to may be gone, and in a few of a hundred kernels it waits for ever.
        """
        super().start()
        if self.control_thread:
            self.control_thread.stop()
            self.control_thread.join()


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
