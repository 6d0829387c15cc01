"""Memory that was freed goes back, also from under a block that is still held."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from components.platform.training.allocator import return_large_blocks

if sys.argv[1] == "with":
    return_large_blocks()
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
c.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
c.free(c.malloc(24 << 20))  # glibc's own threshold rises to the largest block freed
blocks = [c.malloc(16 << 20) for _ in range(10)]
held = c.malloc(100_000)  # lies on top of them
for block in blocks:
    c.memset(block, 1, 16 << 20)
for block in blocks:
    c.free(block)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmRSS")))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_blocks_go_back_to_the_system() -> None:
    kilobytes = {
        way: int(subprocess.check_output([sys.executable, "-c", PROGRAM, way], text=True))
        for way in ("without", "with")
    }
    assert kilobytes["without"] - kilobytes["with"] > 100_000
