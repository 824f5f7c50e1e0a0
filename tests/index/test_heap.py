"""Threads share heaps once they are told to: what each reserves for itself is seen in the size of the process."""

import subprocess
import sys

import pytest

_WORK = """
import sys, threading
from samespace.index.heap import few_heaps, give_back
told = few_heaps() if sys.argv[1] == "few" else True
gate = threading.Barrier(17)
def work():
    kept = [bytes(2000 + i) for i in range(2000)]
    gate.wait()
    del kept
threads = [threading.Thread(target=work) for _ in range(16)]
[t.start() for t in threads]
gate.wait()
[t.join() for t in threads]
give_back()
size = next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]
print(int(told), int(size) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="heaps are those of glibc")
def test_threads_share_two_heaps():
    def size(which: str) -> tuple[int, int]:
        done = subprocess.run([sys.executable, "-c", _WORK, which], capture_output=True, text=True, check=True)
        told, mib = done.stdout.split()
        return int(told), int(mib)

    (told, few), (_, many) = size("few"), size("many")
    if not told:
        pytest.skip("this C library has no such setting")
    assert few < many - 4 * 64, "a heap of a thread reserves 64 MiB"
