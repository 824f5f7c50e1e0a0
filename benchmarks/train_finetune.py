"""A real language model becomes an embedder: SmolLM2-135M, untrained, by a closed form, and after minutes of training.

STS-B English dev, Spearman of the cosines; training on the sentences of STS-B train that are not in dev, towards
MiniLM's vectors; what is trained is asked on every third pair. CPU minutes are process time, reading the base left
out. A run, and vectors it gave, are kept under benchmarks/out/train, so the second call is quick. Short form: what was
kept, and nothing that takes minutes.

Letters: n texts, l layers.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.data import spearman, sts
from benchmarks.figure import Figure, check
from benchmarks.reason_smol import model, tokenizer
from benchmarks.train_data import OUT
from samespace.encode import language, lora, tuned
from samespace.encode.language import Language
from samespace.items import Text
from samespace.train.learner import embedded
from samespace.train.plans import distill, finetune
from samespace.train.vectors import kept

__all__ = ["figures"]

_PROMPT = 'This sentence: "{text}" means in one word: "'
_TEACHER = "all-MiniLM-L6-v2"
_PLACE = OUT / "finetune"
_TEXTS, _ROUNDS = 64, 7  # of the measure of speed
_RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "1 minute": ("distill", {"fitted": 150, "items": 380, "epochs": 1, "learning_rate": 5e-4}),
    "5 minutes": ("distill", {"fitted": 1000, "items": 2100, "epochs": 1, "learning_rate": 5e-4}),
    "contrastive": ("finetune", {"fitted": 150, "items": 200, "epochs": 1, "learning_rate": 3e-4}),
}  # fmt: skip
_BARS = {"1 minute": ">= 0.77", "5 minutes": ">= 0.8"}


def figures(data: Path, quick: bool) -> Iterator[Figure]:
    """Untrained with and without the prompt, the start and the end of each run, what stays as it was, and speed."""
    torch.set_num_threads(1)
    _PLACE.mkdir(parents=True, exist_ok=True)
    pairs = sts(data, "en", "en")
    plain = _score(_kept("plain-dev", lambda: _untrained(None, _both(pairs))), pairs)
    prompted = _score(_kept("prompted-dev", lambda: _untrained(_PROMPT, _both(pairs))), pairs)
    said, n = "SmolLM2-135M, STS-B dev", len(pairs[2])
    yield Figure(f"{said}, untrained, prompted, last token", prompted, "", plain, ">= 0.73", prompted >= 0.73, n,
                 "peer: last token without the prompt; raw cosines; 30 layers, bfloat16")  # fmt: skip
    for name, (plan, form) in _RUNS.items():
        if quick and not (_PLACE / name.replace(" ", "-") / "train.json").is_file():
            continue
        yield from _run(name, plan, form, data, pairs)
    if not quick:
        yield from _speed(data)


def _run(name: str, plan: str, form: dict[str, Any], data: Path, pairs: Any) -> Iterator[Figure]:
    """The start and the end of one run, and that its base stayed and it opens to the same vectors."""
    out = _PLACE / name.replace(" ", "-")
    spent = _trained(out, plan, form, data)
    card = json.loads((out / "train.json").read_text())
    some = tuple(side[::3] for side in pairs)
    texts = _both(some)
    end = _score(_kept(f"{out.name}-dev", lambda: tuned.load(str(out)).encode([Text(t) for t in texts]).data), some)
    start = _start(out, some)
    by = "mrr" if plan == "finetune" else "cosine"
    first, best = card["curve"][0][by], max(point[by] for point in card["curve"])
    told = f"{by} on rows kept apart {first:.3f} -> {best:.3f}"
    if plan == "finetune":
        last = _score(_kept(f"{out.name}-last", lambda: _last(out, texts)), some)
        told += f"; its last state, which is not what is written, has {last:.3f}"
    seen = f"{spent / 60:.1f} CPU minutes; {card['rows']} rows, {card['curve'][-1]['step']:.0f} steps; {told}"
    bar = _BARS.get(name, f">= {start - 0.005:.3f}")
    yield Figure(f"SmolLM2-135M, STS-B dev, {plan}, {name}", end, "", start, bar, check(end, bar), len(some[2]),
                 f"peer: its closed form ({form['fitted']} items); {seen}")  # fmt: skip
    if name == "5 minutes":
        same = bool(card["base_unchanged"])
        yield Figure("base unchanged by hash after 5 minutes", float(same), "", None, "= 1", same, 1,
                     "the hash of all frozen weights in memory, before and after")  # fmt: skip
        yield _same(out, texts[:64])


def _last(out: Path, texts: list[str]) -> np.ndarray:
    """What the state at the last step makes of texts, whether or not it was the best."""
    from safetensors.torch import load_file

    front = "model.language.model."
    rows = {k.removeprefix(front): v for k, v in load_file(out / "state.safetensors").items() if k.startswith(front)}
    used, head = tuned.opened(out), tuned.head_of(out)
    assert head is not None
    lora.put(used.model, {k.replace(".default.", "."): v for k, v in rows.items()})
    made: np.ndarray = head(torch.from_numpy(_states(used, texts))).numpy()
    return made


def _same(out: Path, texts: Sequence[str]) -> Figure:
    """The adapters opened twice: once by us, once by sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    ours = tuned.load(str(out)).encode([Text(t) for t in texts]).data
    again = tuned.load(str(out)).encode([Text(t) for t in texts]).data
    theirs = np.asarray(SentenceTransformer(str(out), trust_remote_code=True, device="cpu").encode(list(texts)))
    far, beside = float(np.abs(ours - again).max()), float(np.abs(ours - theirs).max())
    return Figure("adapters opened again, largest difference of a coordinate", far, "", beside, "= 0", far == 0,
                  len(texts), "peer: opened by sentence-transformers, whose batches are padded otherwise")  # fmt: skip


def _speed(data: Path) -> Iterator[Figure]:
    """Training texts a CPU second, whole steps in alternating rounds: half depth and half precision beside all."""
    questions = pq.read_table(data / "strategyqa/questions.parquet")["question"].to_pylist()[:_TEXTS]
    ways = [_steps(layers, how, questions) for layers in (None, 15) for how in ("float32", "bfloat16")]
    rounds = np.array([[_rate(way) for way in ways] for _ in range(_ROUNDS)])
    slow, half_precision, half_depth, fast = np.median(rounds, axis=0)
    times = float(np.median(rounds[:, 3] / rounds[:, 0]))
    yield Figure("training, half depth and bfloat16, times all layers and float32", times, "x", None, ">= 3",
                 times >= 3, _TEXTS,
                 f"median of {_ROUNDS} rounds in turn; texts a CPU second, there, back and AdamW: {fast:.1f} against "
                 f"{slow:.1f}; bfloat16 alone {half_precision:.1f}, half depth alone {half_depth:.1f}; batches of 16 "
                 "questions, 13 tokens in the mean, padded to their longest")  # fmt: skip


def _steps(layers: int | None, precision: str, texts: Sequence[str]) -> Callable[[], None]:
    """A pass of training steps over texts, in batches of 16."""
    used = language.opened(str(_base()), layers=layers, precision=precision)
    lora.adapt(used.model)
    optimizer = torch.optim.AdamW(lora.adapters(used.model).values(), 1e-6)
    ready = [used.prepare(Text(text)) for text in texts]

    def run() -> None:
        for start in range(0, len(ready), 16):
            optimizer.zero_grad()
            used(ready[start : start + 16]).square().mean().backward()
            optimizer.step()

    run()
    return run


def _rate(steps: Callable[[], None]) -> float:
    began = time.process_time()
    steps()
    return _TEXTS / (time.process_time() - began)


def _trained(out: Path, plan: str, form: dict[str, Any], data: Path) -> float:
    """Run a plan, or go on with it; the CPU seconds it took in all."""
    path = out / "cpu.json"
    held = json.loads(path.read_text()) if path.is_file() else {"seconds": 0.0, "done": False}
    if not held["done"]:
        rows = _rows(data, form["items"], plan)
        given: dict[str, Any] = {
            "base": str(_base()), "data": rows, "out": out, "teacher": _TEACHER, "precision": "bfloat16",
            "template": _PROMPT, "max_tokens": 96, "fitted": form["fitted"], "epochs": form["epochs"], "batch": 16,
            "learning_rate": form["learning_rate"], "every": 25, "held_out": 0.1 if plan == "finetune" else 0.03,
        }  # fmt: skip
        began = time.process_time()
        language.opened(str(_base()), precision="bfloat16")
        read = time.process_time() - began
        began, before = time.process_time() + read, held["seconds"]

        def tell(point: Mapping[str, float]) -> None:
            print({key: round(value, 4) for key, value in point.items()}, flush=True)
            note(done=False)

        def note(*, done: bool) -> None:
            path.write_text(json.dumps({"seconds": before + time.process_time() - began, "done": done}))

        if plan == "distill":
            distill.run(distill.Config(**given), tell)
        else:
            finetune.run(finetune.Config(**given), tell)
        note(done=True)
        held = json.loads(path.read_text())
    seconds: float = held["seconds"]
    return seconds


def _start(out: Path, some: Any) -> float:
    """What the run's closed form alone gives: its head, which stays, on the untrained states."""
    head = tuned.head_of(out)
    assert head is not None
    whole = np.load(_PLACE / "prompted-dev.npy")
    states = torch.from_numpy(np.concatenate([side[::3] for side in np.split(whole, 2)]))
    return _score(head(states).numpy(), some)


def _rows(data: Path, count: int, plan: str) -> Path:
    """Sentences of STS-B train that do not stand in dev; for finetune pairs that mean the same (4 and more)."""
    table = [r for r in pq.read_table(data / "sts_multilingual/pairs.parquet").to_pylist() if r["lang"] == "en"]
    asked = {t for r in table if r["split"] == "dev" for t in (r["text1"], r["text2"])}
    train = [r for r in table if r["split"] == "train" and not {r["text1"], r["text2"]} & asked]
    train = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
    if plan == "finetune":
        train = [r for r in train if r["score"] >= 4]
        count *= 2
    path = _PLACE / f"rows-{plan}-{count}.parquet"
    some = train[: count // 2]
    pq.write_table(pa.table({"anchor": [r["text1"] for r in some], "positive": [r["text2"] for r in some]}), path)
    return path


def _base() -> Path:
    """SmolLM2 as a folder of safetensors in bfloat16: the .gguf file takes 20 s to read."""
    place = _PLACE / "base"
    if not (place / "model.safetensors").is_file():
        made: Any = model(dtype=torch.bfloat16)
        made.hf_quantizer, made.is_quantized = None, False
        if hasattr(made.config, "quantization_config"):
            del made.config.quantization_config
        made.save_pretrained(place)
        tokenizer().save_pretrained(place)
    return place


def _untrained(template: str | None, texts: list[str]) -> np.ndarray:
    used = language.opened(str(_base()), precision="bfloat16", template=template, max_tokens=96)
    return _states(used, texts)


def _states(used: Language, texts: list[str]) -> np.ndarray:
    made: np.ndarray = embedded(used, [used.prepare(Text(t)) for t in texts]).numpy()
    return made


def _kept(name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    return kept(_PLACE / f"{name}.npy", make)


def _both(pairs: Any) -> list[str]:
    return [*pairs[0], *pairs[1]]


def _score(rows: np.ndarray, pairs: Any) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    half = len(unit) // 2
    return spearman((unit[:half] * unit[half:]).sum(axis=1), pairs[2])
