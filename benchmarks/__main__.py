"""python -m benchmarks NAME [--quick] [--write]: one JSON object a line; --write puts them into RESULTS.md."""

import argparse
import sys
from pathlib import Path

from benchmarks.figure import write_results
from benchmarks.parts import BENCHMARKS, figures


def main() -> int:
    """Run one benchmark. Ends with 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    about = "; ".join(f"{name}: {benchmark.about}" for name, benchmark in BENCHMARKS.items())
    parser.add_argument("name", choices=sorted(BENCHMARKS), help=about)
    parser.add_argument("--quick", action="store_true", help="fewer cases, for a look")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    parser.add_argument("--data", type=Path, default=None, help="folder of the shared data")
    parser.add_argument("--only", default="", help="only parts whose name contains this")
    chosen = parser.parse_args()
    measured = []
    for figure in figures(chosen.name, chosen.data, quick=chosen.quick, only=chosen.only):
        print(figure.line(), flush=True)
        measured.append(figure)
    if chosen.write:
        quick = " --quick" if chosen.quick else ""
        command = f"python -m benchmarks {chosen.name}{quick} --write"
        write_results(chosen.name, measured, command, partly=bool(chosen.only))
    return 1 if any(f.holds is False for f in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
