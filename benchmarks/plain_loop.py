"""What an engineer writes first: read every file, encode the whole list with sentence-transformers, add to FAISS, save.

The peer of hard_ingest.py, run as a process: `python -m benchmarks.plain_loop FOLDER OUT`. It embeds the passages that
samespace embeds, cut by the same function, so that the two differ in everything but what is embedded.
"""

import json
import sys
from pathlib import Path

import faiss
import numpy as np

from benchmarks.ground_text import peer
from samespace.read.protocol import Options
from samespace.read.split import split


def main(folder: Path, out: Path) -> None:
    """Index a folder of text files, and say how many passages there were."""
    options = Options()
    passages, places = [], []
    for path in sorted(folder.rglob("*.txt")):
        text = path.read_text()
        for start, end in split(text, options.passage_chars, options.overlap_chars):
            passages.append(text[start:end])
            places.append([str(path), start, end])
    vectors = peer().encode(passages, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors, np.float32))
    out.mkdir(parents=True)
    faiss.write_index(index, str(out / "vectors.faiss"))
    (out / "places.json").write_text(json.dumps({"places": places, "texts": passages}))
    print(json.dumps({"passages": len(passages)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
