"""What translation is measured on: distinct English sentences from many sources, and their vectors in real spaces.

Vectors are kept under benchmarks/out/translate by space fingerprint, so that the second run encodes nothing.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from samespace.encode.load import load
from samespace.encode.protocol import Encoder
from samespace.items import Text
from samespace.space import Space, Vectors

__all__ = ["MODELS", "SOURCES", "origins", "sentences", "vectors"]

OUT = Path(__file__).resolve().parent / "out" / "translate"
MODELS = {
    "A": "all-MiniLM-L6-v2",
    "B": "multilingual-e5-small",
    "C": "universal-sentence-encoder-multilingual",
    "D": "wordllama",
    "P": "paraphrase-MiniLM-L3",
    "L": "all-MiniLM-L6-v2-layer-5",
}
_INNER = ("all-MiniLM-L6-v2", 5)  # the model and the layer of "L", mean-pooled as the last one is
SOURCES = ("wiki", "sts", "figures", "strategyqa", "gsm8k", "stories", "folio")
_WORDS = (5, 60)
_SENTENCE = r"(?<=[.!?])\s+(?=[A-Z\"'(])"
_HASHES, _BANDS = 32, 8  # of near-duplicate search
_BUCKET = 32
_CHUNK = 2048


@cache
def sentences(data: Path, count: int, sources: tuple[str, ...] = SOURCES) -> tuple[str, ...]:
    """Distinct sentences of 5 to 60 words, near-duplicates out, in an order drawn once with seed 0."""
    seen: dict[str, str] = {}
    for source in sources:
        for text in _texts(data, source):
            for sentence in re.split(_SENTENCE, " ".join(text.split())):
                if _WORDS[0] <= len(sentence.split()) <= _WORDS[1]:
                    seen.setdefault(re.sub(r"\W+", " ", sentence.lower()).strip(), sentence)
    plain = list(seen)
    order = [plain[i] for i in np.random.default_rng(0).permutation(len(plain))]
    return tuple(seen[text] for text in _apart(order, count))


def origins(data: Path) -> dict[str, str]:
    """The source of every sentence; of one that several have, the first."""
    made: dict[str, str] = {}
    for source in SOURCES:
        for text in _texts(data, source):
            for sentence in re.split(_SENTENCE, " ".join(text.split())):
                made.setdefault(sentence, source)
    return made


def _texts(data: Path, source: str) -> Iterator[str]:
    def table(name: str) -> list[dict[str, object]]:
        return list(pq.read_table(data / name).to_pylist())

    if source == "wiki":
        yield from (str(r["text"]) for r in table("wiki_passages/corpus.parquet"))
    elif source == "sts":
        for r in table("sts_multilingual/pairs.parquet"):
            if r["lang"] == "en":
                yield from (str(r["text1"]), str(r["text2"]))
    elif source == "figures":
        for r in table("openstax_figures/manifest.parquet"):
            if r["lang"] == "en":
                yield from (str(r["alt"]), str(r["caption"]))
    elif source == "strategyqa":
        for r in table("strategyqa/questions.parquet"):
            yield str(r["question"])
            yield from _listed(r["facts"])
    elif source == "gsm8k":
        yield from (str(r["question"]) for r in table("gsm8k/questions.parquet"))
    elif source == "stories":
        yield from (str(r["text"]) for r in table("storybook_pages/manifest.parquet"))
    else:
        for r in table("folio/questions.parquet"):
            yield from _listed(r["premises"])


def _listed(value: object) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _apart(texts: Sequence[str], count: int) -> list[str]:
    """The first texts whose word sets are unlike all earlier ones' (Jaccard < .5 by MinHash, 32 hashes)."""
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 2**31 - 1, (_HASHES, 2), dtype=np.int64)
    width = _HASHES // _BANDS
    buckets: dict[tuple[int, bytes], list[int]] = {}
    kept, signatures = list[str](), np.empty((count, _HASHES), np.int64)
    for text in texts:
        if len(kept) == count:
            break
        words = np.array([zlib.crc32(w.encode()) for w in set(text.split())], np.int64)
        row = ((words[:, None] * factors[:, 0] + factors[:, 1]) % (2**31 - 1)).min(axis=0)
        keys = [(b, row[b * width : (b + 1) * width].tobytes()) for b in range(_BANDS)]
        near = list({j for key in keys for j in buckets.get(key, ())})
        if near and (signatures[near] == row).mean(axis=1).max() >= 0.5:
            continue
        for key in keys:
            bucket = buckets.setdefault(key, [])
            if len(bucket) < _BUCKET:  # a full one holds sentences that share their small words only
                bucket.append(len(kept))
        signatures[len(kept)] = row
        kept.append(text)
    return kept


def vectors(texts: Sequence[str], letter: str) -> Vectors:
    """The texts in one of the spaces, from the store where they were encoded before."""
    key = hashlib.blake2b("\n".join(texts).encode(), digest_size=12).hexdigest()
    name = MODELS[letter].replace("/", "_")
    place, card = OUT / f"{name}-{key}.npy", OUT / f"{name}.json"
    if place.is_file() and card.is_file():
        return Space.from_json(card.read_text()).vectors(np.load(place, allow_pickle=False))
    made = _static(texts) if letter == "D" else _encoded(texts, letter)
    OUT.mkdir(parents=True, exist_ok=True)
    card.write_text(made.space.to_json())
    np.save(place, made.data.astype(np.float32), allow_pickle=False)
    return made


def _encoded(texts: Sequence[str], letter: str) -> Vectors:
    encoder = _inner() if letter == "L" else load(MODELS[letter])
    made = encoder.space.empty()
    for start in range(0, len(texts), _CHUNK):
        made = made.concat(encoder.encode([Text(t) for t in texts[start : start + _CHUNK]]))
    return made


def _inner() -> Encoder:
    """An inner layer of a model, read out as its last one is: a near space."""
    name, layer = _INNER
    whole: Any = load(name, accelerate=False)
    recipe = replace(whole.recipe, layer=layer)
    space = replace(whole.space, name=f"{whole.space.name}/layer-{layer}", fingerprint="")
    made: Encoder = replace(whole, space=space, recipe=recipe, body=replace(whole.body, recipe=recipe))
    return made


def _static(texts: Sequence[str]) -> Vectors:
    """WordLlama: the mean of token vectors from a table, by its two files alone; its code is never run."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        carried = {str(f): f.locate() for f in files("wordllama") or ()}
    except PackageNotFoundError:
        raise SystemExit("this needs the package wordllama\npip install --no-deps wordllama==0.4.0.post1") from None
    table = next(p for n, p in carried.items() if n.endswith("l2_supercat_256.safetensors"))
    words = next(p for n, p in carried.items() if n.endswith("l2_supercat_tokenizer_config.json"))
    rows = next(iter(load_file(str(table)).values())).astype(np.float32)
    tokenizer = Tokenizer.from_str(json.dumps(json.loads(Path(str(words)).read_text())))
    ids = [e.ids for e in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    space = Space("wordllama/l2_supercat_256@0.4.0", rows.shape[1])
    return space.vectors(np.stack([rows[i].mean(axis=0) for i in ids]))
