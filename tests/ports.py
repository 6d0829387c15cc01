"""Free ports of this machine, for programs that tests start."""

import random
import socket

from services.settings import GRPC_OFFSET, HOST


def free_block() -> int:
    """Return the first of nine free ports whose gRPC twins are free too."""
    choose = random.SystemRandom()
    while True:
        first = choose.randrange(20_000, 32_000, 9)
        ports = [*range(first, first + 9), *range(first + GRPC_OFFSET, first + GRPC_OFFSET + 5)]
        if all(is_free(port) for port in ports):
            return first


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
