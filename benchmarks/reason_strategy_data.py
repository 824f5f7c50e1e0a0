"""StrategyQA as a retrieval task: questions, facts, decompositions, and what two real models make of them.

Vectors and states are kept under benchmarks/out/reason, so that the second run encodes nothing.

Letters: n questions, m facts, t tokens, d width of MiniLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.reason_kept import OUT

__all__ = ["MOST", "STEPS", "TEST", "Data", "gathered", "measured", "split"]

TEST, STEPS, MOST = 230, 3, 5  # of steps: what is told as a rule, the most a question has
_LAYERS = 14


@dataclass(frozen=True)
class Data:
    """Everything that is computed once.

    Attributes:
        question, decomposed: (n, d), MiniLM's vectors of the question, and of it with its decomposition.
        facts: (m, d).
        gold: the facts of each question.
        steps: (n, 5, d), of all steps; zeros where there are fewer.
        states: SmolLM2's states (t, 576) of the question and, behind it, the decomposition, each.
        words: how many tokens of these are the question's.
    """

    question: Tensor
    decomposed: Tensor
    facts: Tensor
    gold: list[list[int]]
    steps: Tensor
    states: list[Tensor]
    words: list[int]


@cache
def gathered(data: Path) -> Data:
    """Read, or compute and keep under benchmarks/out/reason (some minutes)."""
    import pyarrow.parquet as pq

    rows = pq.read_table(data / "strategyqa/questions.parquet").to_pylist()
    texts = sorted({fact for row in rows for fact in row["facts"]})
    place = {fact: i for i, fact in enumerate(texts)}
    questions = [row["question"] for row in rows]
    whole = [" ".join([row["question"], *row["decomposition"]]) for row in rows]
    asked = [(i, k, step) for i, row in enumerate(rows) for k, step in enumerate(row["decomposition"])]
    steps = np.zeros((len(rows), MOST, 384), np.float32)
    steps[[i for i, _, _ in asked], [k for _, k, _ in asked]] = _minilm("steps", [step for _, _, step in asked])
    states, words = _states(questions, whole)
    return Data(
        torch.from_numpy(_minilm("questions", questions)),
        torch.from_numpy(_minilm("decomposed", whole)),
        torch.from_numpy(_minilm("facts", texts)),
        [sorted({place[fact] for fact in row["facts"]}) for row in rows],
        torch.from_numpy(steps),
        states,
        words,
    )


def _minilm(name: str, texts: Sequence[str]) -> np.ndarray:
    """MiniLM's vectors (n, 384)."""
    from samespace.encode.load import load
    from samespace.items import Text

    kept = OUT / f"strategyqa-{name}-{len(texts)}.npy"
    if not kept.exists():
        OUT.mkdir(parents=True, exist_ok=True)
        np.save(kept, load("all-MiniLM-L6-v2").encode([Text(text) for text in texts]).data.astype(np.float32))
    return np.asarray(np.load(kept))


@torch.inference_mode()
def _states(questions: Sequence[str], whole: Sequence[str]) -> tuple[list[Tensor], list[int]]:
    """SmolLM2's states of the whole texts, each component at unit spread; and the tokens of the questions."""
    from benchmarks.reason_smol import model, tokenizer

    kept = OUT / f"strategyqa-states-{_LAYERS}.pt"
    if not kept.exists():
        words, lm = tokenizer(), model(_LAYERS, torch.bfloat16)
        ids = [words(text)["input_ids"] for text in whole]
        counts = [len(words(text)["input_ids"]) for text in questions]
        made: list[Tensor] = [torch.empty(0)] * len(ids)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for start in range(0, len(order), 32):
            some = order[start : start + 32]
            given = words.pad({"input_ids": [ids[i] for i in some]}, padding_side="right", return_tensors="pt")
            hidden = lm.base_model(**given, use_cache=False).last_hidden_state
            for row, i in enumerate(some):
                made[i] = hidden[row, : len(ids[i])].clone()
        every = torch.cat(made).float()
        mean, spread = every.mean(0), every.std(0)
        made = [((one.float() - mean) / spread).clamp(-8, 8).half() for one in made]
        OUT.mkdir(parents=True, exist_ok=True)
        torch.save({"states": made, "words": counts}, kept)
    found = torch.load(kept, weights_only=True)
    return found["states"], found["words"]


def split(seed: int) -> tuple[list[int], list[int]]:
    """Questions to train on and for the test."""
    order = np.random.default_rng(seed).permutation(2061).tolist()
    return order[TEST:], order[:TEST]


def measured(data: Data, test: list[int], queries: Tensor) -> dict[str, float]:
    """Shares of the test's questions and facts."""
    plain = _first(data, data.question[test], 10)
    first = _first(data, queries, 10)
    every, hard, found, hits = [], [], [], []
    for row, i in enumerate(test):
        got = [fact in first[row] for fact in data.gold[i]]
        every.append(all(got))
        found.append(sum(got) / len(got))
        hits.append(first[row][0] in data.gold[i])
        hard += [there for there, fact in zip(got, data.gold[i], strict=True) if fact not in plain[row]]
    return {
        "all@10": _mean(every),
        "hard@10": _mean(hard),
        "R@10": _mean(found),
        "hit@1": _mean(hits),
        "hard": len(hard),
    }


def _first(data: Data, queries: Tensor, k: int) -> list[list[int]]:
    made: list[list[int]] = (queries @ data.facts.T).topk(k, dim=1).indices.tolist()
    return made


def _mean(values: Sequence[Any]) -> float:
    return float(np.mean(np.asarray(values, float)))
