"""Ingest, end to end, beside the plain loop an engineer would write; and how well its parts overlap.

Both sides start cold, read the same files, embed the same passages with the same weights and end with an index on the
disk. The peer (`plain_loop.py`) is sentence-transformers and a flat FAISS index in one process; ours is the command.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

__all__ = ["ingest_figures", "written"]

MODEL = "all-MiniLM-L6-v2"


def written(data: Path, count: int, place: Path) -> list[Path]:
    """Wikipedia passages as text files, one to a few paragraphs each, under names and folders as people have them."""
    table = pq.read_table(data / "wiki_passages/corpus.parquet").to_pydict()
    rows = [(title, text) for title, text in zip(table["title"], table["text"], strict=True) if len(text) >= 40]
    made = []
    for number, (title, text) in enumerate(rows[:count]):
        name = re.sub(r"[^\w ()-]+", "", title)[:60].strip() or "untitled"
        path = place / f"{2000 + number % 17}" / name[0].lower() / f"{name} {number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
        made.append(path)
    return made
