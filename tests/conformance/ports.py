"""Ports for servers of tests."""

import random
import socket

#: Below what systems take for connections, which would come in between.
PORTS = range(11_000, 21_000)

_claimed = []


def free_port() -> int:
    """A port of the loopback that nobody listens on, and that no other test is given until this process has ended."""
    for port in random.sample(PORTS, len(PORTS)):
        # The claim on a port is the one for UDP, which nobody wants here; the tests in Rust make theirs in the same way.
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claimed.append(claim)
        return port
    raise RuntimeError(f"no port from {PORTS} is free")
