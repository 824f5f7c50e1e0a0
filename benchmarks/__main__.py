"""python -m benchmarks NAME [--quick] [--write]: one JSON object a line; --write puts them into RESULTS.md."""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.figure import write_results

NAMES = {
    "ground": "text models, receipts by OCR, speech, doctor, indexing twice",
    "translate": "carrying vectors between spaces: kept neighbours, cost, verdicts, moving an index, what leaks",
    "hard": "speed beside peers: encoding, speech, ingest, search, growth, durability, bulk jobs",
    "reason": "latent steps: pointer chase with its controls, cost beside written chains",
}


def main() -> int:
    """Run one benchmark. Ends with 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=sorted(NAMES), help="; ".join(f"{k}: {v}" for k, v in NAMES.items()))
    parser.add_argument("--quick", action="store_true", help="fewer cases, for a look")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    parser.add_argument("--data", type=Path, default=None, help="folder of the shared data")
    parser.add_argument("--only", default="", help="only parts whose name contains this")
    chosen = parser.parse_args()
    module = importlib.import_module(f"benchmarks.{chosen.name}")
    figures = []
    for figure in module.figures(chosen.data, quick=chosen.quick, only=chosen.only):
        print(figure.line(), flush=True)
        figures.append(figure)
    if chosen.write:
        quick = " --quick" if chosen.quick else ""
        command = f"python -m benchmarks {chosen.name}{quick} --write"
        write_results(chosen.name, figures, command, partly=bool(chosen.only))
    return 1 if any(f.holds is False for f in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
