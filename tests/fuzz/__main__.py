"""python -m tests.fuzz [--seconds N] [--target NAME]: fuzz each target for so long, in a process of its own.

What is found is written to tests/fuzz/found/, where every later run and the tests begin. Ends with 1 if anything was.
"""

import argparse
import importlib
import importlib.util
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOUND = Path(__file__).resolve().parent / "found"
_MEMORY = 4 << 30  # bytes of address space
_SLOW = 20  # seconds for one input
_OPTIONS = (f"-timeout={_SLOW}", "-rss_limit_mb=0", "-max_len=65536", "-close_fd_mask=3")
_PACKAGES = ["samespace.read", "samespace.index", "samespace.items", "samespace.space", "samespace.encode.recipe"]


def fuzz(name: str, seconds: int, found: Path = FOUND) -> int:
    """Fuzz a target. Returns 0 if nothing was found, else the exit status of the process that found it.

    An input that took too long only once does not count: the machine slept, or others had it.
    """
    from tests.fuzz.targets import seeds

    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / f"seed{number}").write_bytes(seed)
        while (left := int(end - time.monotonic())) > 0:
            options = [f"-artifact_prefix={corpus}/found-", f"-max_total_time={left}", *_OPTIONS, corpus]
            done = _inside(name, options)
            written = list(Path(corpus).glob("found-*"))
            ends = [file for file in written if not _only_once(name, file)]
            for file in ends:
                found.mkdir(exist_ok=True)
                shutil.copy(file, found / f"{name}-{file.name.removeprefix('found-')[:24]}")
            if ends or (done.returncode and not written):
                sys.stderr.write(done.stderr.decode("utf-8", "replace")[-4000:])
                return done.returncode
            if not done.returncode:
                break
            for file in written:
                file.unlink()
    return 0


def _inside(name: str, words: list[str]) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, *words]
    home = Path(__file__).resolve().parent.parent.parent
    return subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=False, cwd=home)


def _only_once(name: str, file: Path) -> bool:
    """Whether it is a word on a slow input, and the same one keeps the time limit when it is tried again."""
    slow = file.name.startswith(("found-timeout-", "found-slow-unit-"))
    return slow and _inside(name, [f"-timeout={_SLOW}", str(file)]).returncode == 0


def inside(name: str, words: list[str]) -> None:
    """Be the process that fuzzes a target."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))  # here: whoever forks this may be larger already
    import atheris

    with atheris.instrument_imports(include=_PACKAGES):
        from samespace.read import readers
        from tests.fuzz import targets

        for module in sorted(set(readers._MODULES.values()) | set(readers._FAMILIES.values())):
            importlib.import_module(f"samespace.read.{module}")
    atheris.Setup([sys.argv[0], *words], targets.TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    """Fuzz the chosen targets one after the other."""
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3:])
        return 0
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--target", choices=sorted(TARGETS), default=None, help="only this one")
    chosen = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("fuzzing needs the package 'atheris'\nInstall it: pip install 'samespace[dev]'\n")
        return 1
    bad = 0
    for name in [chosen.target] if chosen.target else sorted(TARGETS):
        status = fuzz(name, chosen.seconds)
        sys.stdout.write(f"{name}: {'nothing found' if status == 0 else 'found something: see tests/fuzz/found'}\n")
        sys.stdout.flush()
        bad += status != 0
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
