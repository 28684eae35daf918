"""Free ports that stay free until a server takes them, though several processes look for some."""

import contextlib
import itertools
import os
import socket

# Below those that systems give away, and in each process of pytest-xdist others.
_FIRST = 20_000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = itertools.cycle(range(_FIRST, _FIRST + 1000))


def free_port():
    """Return a port on which nothing listens."""
    for port in itertools.islice(_PORTS, 1000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port from {_FIRST} to {_FIRST + 999} is free")
