"""The kernel that notebooks run in: IPython's own, which drops no output.

A socket that publishes drops what its reader is slow to take, by default after a thousand messages,
and nobody is told.
"""

from __future__ import annotations

from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp


class LosslessKernelApp(IPKernelApp):
    """Holds all output until it is read."""

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Open the socket for output."""
        context.sndhwm = 0
        super().init_iopub(context)


if __name__ == "__main__":
    LosslessKernelApp.launch_instance()
