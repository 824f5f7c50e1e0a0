"""Move the demo's index from an English model to a multilingual one while it is searched, and back.

    .venv/bin/python examples/migrate.py

Indexes examples/library with MiniLM, which knows no Chinese. Chinese questions start to work when a sample is embedded
by the other model, long before the index is moved. Ends with 1 if one of the steps does not do what it says.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
INDEX = HERE / ".index-moving"
OLD, NEW = "all-MiniLM-L6-v2", "multilingual-e5-small"
QUESTIONS = (("面团为什么会发起来", "sourdough.txt"), ("如何泡绿茶", "绿茶.txt"))


def samespace(*args: str) -> str:
    """Run the command line as a person would; what it prints."""
    command = [sys.executable, "-m", "samespace", *args]
    done = subprocess.run(command, text=True, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"samespace {' '.join(args)}\n{done.stderr}")
    return done.stdout


def ask(title: str, *model: str) -> int:
    """Ask all questions; how many find their file first."""
    print(f"\n{title}")
    right = 0
    for question, file in QUESTIONS:
        lines = samespace("search", question, *model, "--index", str(INDEX), "--json", "--depth", "20").splitlines()
        found = Path(json.loads(lines[0])["path"]).name if lines else "nothing"
        right += found == file
        print(f"  {'✓' if found == file else '✗'} {question}  →  {found}")
    return right


def migrate(*args: str) -> dict[str, object]:
    """One step of the move; how it stands."""
    made: dict[str, object] = json.loads(samespace("migrate", str(INDEX), *args, "--json", "--quiet"))
    print(f"\nsamespace migrate {INDEX.name} {' '.join(args)}")
    if "rows" in made and "stage" in made:
        print(f"  {made['stage']}: {made['embedded']} of {made['rows']} rows embedded, kept {made['kept']:.3f}")
    return made


def main() -> int:
    """Index, move, ask on the way, switch, go back. Returns the number of steps that went wrong."""
    shutil.rmtree(INDEX, ignore_errors=True)
    samespace("index", str(HERE / "library"), "--index", str(INDEX), "--model", OLD, "--quiet")
    before = ask(f"By {OLD}")
    migrate("--to", NEW, "--sample", "24", "--limit", "0")
    halfway = ask(f"By {NEW}, while the index is still moving", "--model", NEW)
    same = ask(f"By {OLD}, unchanged") == before
    migrate("--to", NEW)
    migrate("--switch")
    after = ask("The index itself, switched")
    migrate("--rollback")
    back = ask("The index itself, back again") == before
    migrate("--rollback")
    wrong = (not before < len(QUESTIONS), halfway <= before, not same, after < halfway, not back)
    print(
        "\nChinese questions that found their file: " + f"{before} before, {halfway} half-way, {after} after the switch"
    )
    return sum(wrong)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
