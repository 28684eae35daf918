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


def end_with_parent() -> None:
    """Have Linux kill this process when the one that started it ends, whatever it does then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != int(os.environ["JPY_PARENT_PID"]):  # it has ended already
            sys.exit(1)


if __name__ == "__main__":
    end_with_parent()
    LosslessKernelApp.launch_instance()
