"""Index examples/library and ask it ten things: `make demo`.

Says what each search shows, what was found, and whether that is what a person would call right. Ends with 1 if not.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unicodedata import east_asian_width

HERE = Path(__file__).resolve().parent
INDEX = HERE / ".index"


@dataclass(frozen=True)
class Search:
    """One search and the file that answers it; `place` is a piece of the locator, `not_found` must be nowhere."""

    shows: str
    parts: tuple[str, ...]
    right: str
    place: str = ""
    where: str | None = None
    not_found: str = ""


SEARCHES = (
    Search("words → page", ("how do sea animals survive when the water is gone",), "tide-pools.pdf", "p.2"),
    Search("words → picture", ("paddling on the water",), "IMG_2063.jpg"),
    Search("words → sound", ("a rooster crows",), "REC_0007.ogg"),
    Search("words → picture with text", ("how do visitors get on the internet",), "guest-wifi.png"),
    Search("words → second", ("what citizens should do for their nation",), "address-1961.flac", "00:0"),
    Search("Chinese → English", ("咖啡怎么煮",), "coffee.md"),
    Search("English → Chinese", ("how hot should the water be for green tea",), "绿茶.txt"),
    Search("file → file", (str(HERE / "query" / "clipping.png"),), "lighthouse.md"),
    Search("minus", ("how to make a hot drink", "-", "tea"), "coffee.md", not_found="black-tea.md"),
    Search("filter + hybrid", ("HB-2024-0417",), "invoice.eml", where="kind = 'text' and modified > 2000-01-01"),
)


def samespace(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would; the progress of indexing goes to the screen."""
    command = [sys.executable, "-m", "samespace", *args, "--index", str(INDEX)]
    quiet = subprocess.DEVNULL if args[0] == "search" else None
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=quiet, encoding="utf-8")


def typed(search: Search) -> str:
    """The search as one would type it."""
    words = [Path(p).name if p.endswith(".png") else (f'"{p}"' if p not in "+-" else p) for p in search.parts]
    return " ".join(words) + (f' --where "{search.where}"' if search.where else "")


def pad(text: str, width: int) -> str:
    """Cut and fill to a width on the screen, where a Chinese character takes two places."""
    wide = lambda t: sum(2 if east_asian_width(c) in "WF" else 1 for c in t)  # noqa: E731
    while wide(text) > width - 2:
        text = text[:-1]
    return text + " " * (width - wide(text))


def main() -> int:
    """Index, search, print. Returns the number of searches whose first hit is wrong."""
    if samespace("index", str(HERE / "library")).returncode:
        return 1
    wrong = 0
    print(f"\n{'':2}{'shows':<26}{'you ask':<52}{'it finds':<22}{'where':<16}match\n" + "─" * 126)
    for search in SEARCHES:
        where = ("--where", search.where) if search.where else ()
        hits = [json.loads(line) for line in samespace("search", *search.parts, *where, "--json").stdout.splitlines()]
        first = hits[0] if hits else {"path": "nothing", "place": "", "match": ""}
        name, place = Path(first["path"]).name, first["place"]
        names = [Path(h["path"]).name for h in hits if h["confident"]]
        good = name == search.right and search.place in place and search.not_found not in names[:1]
        wrong += not good
        ask = typed(search)
        print(f"{'✓' if good else '✗'} {search.shows:<26}{pad(ask, 52)}{pad(name, 22)}{place:<16}{first['match']}")
    print(
        "\nTry next:\n"
        f'  .venv/bin/samespace search "who pays for the roof" --index {os.path.relpath(INDEX)}\n'
        f"  .venv/bin/samespace status --failed --index {os.path.relpath(INDEX)}\n"
        "  make serve                                    the same as a page, in your browser\n"
        "  .venv/bin/samespace index ~/Documents         your own files"
    )
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
