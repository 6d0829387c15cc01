"""Free ports of this machine, for programs that tests start."""

import random
import socket

from services.settings import GRPC_OFFSET, HOST

EPHEMERAL = 32_768  # from here on the kernel gives ports to outgoing connections
SIZE = 9  # ports of a block


def free_block() -> int:
    """Return the first of nine free ports whose gRPC twins are free too.

    None of them is one that the kernel may give away before the block is used.
    """
    choose = random.SystemRandom()
    while True:
        first = choose.randrange(10_000, EPHEMERAL - GRPC_OFFSET - SIZE, SIZE)
        ports = [*range(first, first + SIZE), *range(first + GRPC_OFFSET, first + GRPC_OFFSET + 5)]
        if all(is_free(port) for port in ports):
            return first


def free_port() -> int:
    """Return a free port that stays free while the program on it is killed and started again."""
    choose = random.SystemRandom()
    while not is_free(port := choose.randrange(10_000, EPHEMERAL)):
        pass
    return port


def is_free(port: int) -> bool:
    """Return whether a program can listen on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
