"""What a worker process may take and do: limits of the system, and no way out to other processes or machines.

Three walls, each where the system has it: resource limits (POSIX), a filter of system calls (seccomp, Linux on x86-64
and ARM-64), and an audit hook of Python, which is the only wall elsewhere and gives the clearer words everywhere.
All hold for native code but the last. None can be taken down again by the process.

Knows nothing of files or formats. Imports the standard library only.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

from samespace.read.protocol import Limits

__all__ = ["allow_cpu", "close_in", "limit"]

_NICE = 10
_OUTWARD = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"})
_NAMES = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})
_PROGRAMS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"})


def limit(limits: Limits) -> None:
    """Bound what the process may take. A limit the system refuses is left as it was: the parent's may be lower."""
    for which, soft in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.written_bytes),
    ):
        _lower(which, soft)
    with contextlib.suppress(OSError):
        os.nice(_NICE)


def allow_cpu(seconds: float) -> None:
    """Allow so much CPU time from now on: the system's limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def _lower(which: int, soft: int) -> None:
    _, hard = resource.getrlimit(which)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def close_in() -> bool:
    """Take away network, programs and other processes; whether native code is held, too.

    No socket can be made or connected, no program run, no process started, traced or signalled. What is open stays
    usable, and threads can be started.
    """
    sys.addaudithook(_refuse)
    return _filter_calls()


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    """Audit hook: no Python code in this process reaches another machine or runs another program."""
    if event in _NAMES or (event in _OUTWARD and getattr(args[0], "family", None) != socket.AF_UNIX):
        raise PermissionError(f"{event} is refused: a reader has no business on the network")
    if event in _PROGRAMS:
        raise PermissionError(f"{event} is refused: a reader runs no other program")


# --- the filter of system calls: a program of the classic packet filter, see seccomp(2) ---

_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_NUMBERS = {  # x86-64, ARM-64; None: it has no such call
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
}
_TO_ITSELF = {"kill": (62, 129), "tgkill": (234, 131)}  # allowed where the first argument is the process itself
_CLONE, _CLONE3 = (56, 220), (435, 435)
_THREAD = 0x00010000  # CLONE_THREAD
_X32 = 0x40000000  # calls of another ABI on the same machine
_LOAD, _EQUAL, _MASKED, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER, _ARCH, _FIRST = 0, 4, 16  # where seccomp_data has them; of the argument the lower half
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def _filter_calls() -> bool:
    """Install the filter for all threads; False where the system has none."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _ARCHES or struct.calcsize("P") != 8:
        return False
    program = _program(machine)
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(held)))
    libc = ctypes.CDLL(None, use_errno=True)
    long = ctypes.c_ulong
    if libc.prctl(38, long(1), long(0), long(0), long(0)):  # PR_SET_NO_NEW_PRIVS
        return False
    # SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_TSYNC: threads that run already are held, too
    done: int = libc.syscall(ctypes.c_long(_SECCOMP[machine]), long(1), long(1), head)
    return done == 0


def _program(machine: str) -> Sequence[tuple[int, int, int, int]]:
    """The filter: (code, jump if true, jump if false, value), one a step."""
    column = list(_ARCHES).index(machine)
    own = os.getpid()
    refuse, missing = (_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    steps = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, _ARCHES[machine]), refuse, (_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":
        steps += [(_AT_LEAST, 0, 1, _X32), refuse]
    for numbers in _NUMBERS.values():
        if (number := numbers[column]) is not None:
            steps += [(_EQUAL, 0, 1, number), refuse]
    for pair in _TO_ITSELF.values():
        steps += [(_EQUAL, 0, 4, pair[column]), (_LOAD, 0, 0, _FIRST), (_EQUAL, 0, 1, own),
                  (_RETURN, 0, 0, _ALLOW), refuse]  # fmt: skip
    # Its flags stand in memory, where a filter cannot look: without it the C library takes the other one.
    steps += [(_EQUAL, 0, 1, _CLONE3[column]), missing]
    steps += [(_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _FIRST), (_MASKED, 0, 1, _THREAD),
              (_RETURN, 0, 0, _ALLOW), refuse]  # fmt: skip
    return [*steps, (_RETURN, 0, 0, _ALLOW)]
