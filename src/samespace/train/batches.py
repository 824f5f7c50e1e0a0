"""Which rows stand together in a batch: what a contrastive loss learns depends on it.

    group_by        a batch holds rows of one key: one dataset, one task, one pair of modalities, one language
    interleave      a batch is put together from sub-batches of one key each, of as many keys as can be
    mined           a batch is put together from clusters of rows that are hard for each other (mining.clusters)

Each is given to the trainer as `batch_sampler`, and draws anew every epoch from seed + epoch, so that a run that goes
on draws what it would have drawn. `apart` keeps rows of equal content (hashes) out of one batch: each would be the
other's false negative. GROUP_BY_LABEL and NO_DUPLICATES of sentence-transformers are used where they suffice.

Knows nothing of vectors. Imports torch and sentence-transformers. Letters: n rows.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

__all__ = ["BatchPlan", "Sampler", "group_by", "interleave", "mined"]

BatchPlan = Callable[[torch.Generator, int], list[list[int]]]
"""(generator, batch size) → the batches of one epoch, short ones too."""

_T = TypeVar("_T")
Factory = Callable[..., "Sampler"]


class Sampler(DefaultBatchSampler):
    """Batches of a plan, as the trainer takes them. Made by the functions below.

    Args:
        dataset: whose rows are drawn.
        batch_size: rows a batch, at most.
        drop_last: leave short batches out.
        plan: draws an epoch.
        rows: how many rows the plan was made for.
        seed: an epoch is drawn from seed + epoch.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        drop_last: bool = False,
        valid_label_columns: list[str] | None = None,
        generator: torch.Generator | None = None,
        seed: int = 0,
        *,
        plan: BatchPlan,
        rows: int,
    ) -> None:
        if len(dataset) != rows:
            raise ValueError(
                f"the batches were planned for {rows} rows, the dataset has {len(dataset)}\n"
                "Give one key a row, in the dataset's order"
            )
        super().__init__(dataset, batch_size, drop_last, valid_label_columns, generator, seed)
        self.plan = plan
        self._drawn: tuple[int, list[list[int]]] | None = None

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._epoch())

    def __len__(self) -> int:
        return len(self._epoch())

    def _epoch(self) -> list[list[int]]:
        if self._drawn is None or self._drawn[0] != self.epoch:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            made = self.plan(generator, self.batch_size)
            self._drawn = (self.epoch, [b for b in made if not self.drop_last or len(b) == self.batch_size])
        return self._drawn[1]


def group_by(keys: Sequence[Hashable], *, apart: Sequence[Hashable] | None = None) -> Factory:
    """Batches of one key each, in shuffled order.

    Args:
        keys: (n) one a row.
        apart: (n) content hashes; rows that share one never meet. None = no row repeats another.

    Returns:
        for `batch_sampler=`.
    """
    _check(keys, apart)

    def plan(generator: torch.Generator, size: int) -> list[list[int]]:
        made = [b for members in _by_key(keys).values() for b in _cut(_shuffled(members, generator), size, apart)]
        return _shuffled(made, generator)

    return partial(Sampler, plan=plan, rows=len(keys))


def interleave(keys: Sequence[Hashable], sub_batch: int, *, apart: Sequence[Hashable] | None = None) -> Factory:
    """Batches of sub-batches, each of one key, of as many keys as can be: hard inside a part, mixed as a whole.

    Args:
        keys: (n) one a row: its dataset or task.
        sub_batch: rows a part; the batch size should be a multiple.
        apart: as in `group_by`; a row that would repeat one of another part sits out that epoch.

    Returns:
        for `batch_sampler=`.

    Reference: Meng et al., VLM2Vec-V2, arXiv:2507.04590 (interleaved sub-batches).
    """
    _check(keys, apart)
    _positive("sub_batch", sub_batch)

    def plan(generator: torch.Generator, size: int) -> list[list[int]]:
        parts = {
            key: _shuffled(_cut(_shuffled(members, generator), sub_batch, apart), generator)
            for key, members in _by_key(keys).items()
        }
        made, wanted = list[list[int]](), -(-size // sub_batch)
        while any(parts.values()):
            order = _shuffled([key for key in parts if parts[key]], generator)
            order.sort(key=lambda key: -len(parts[key]))  # what is left of the largest would stand alone at the end
            chosen: list[list[int]] = []
            while len(chosen) < wanted and (left := [key for key in order if parts[key]]):
                chosen += [parts[key].pop() for key in left[: wanted - len(chosen)]]
            made.append([row for part in chosen for row in part][:size])
        return _shuffled([_distinct(batch, apart) for batch in made], generator)

    return partial(Sampler, plan=plan, rows=len(keys))


def mined(
    clusters: Sequence[Sequence[int]],
    *,
    keys: Sequence[Hashable] | None = None,
    apart: Sequence[Hashable] | None = None,
) -> Factory:
    """Batches of whole clusters, drawn anew every epoch; the clusters stay.

    Args:
        clusters: every row in one of them (`mining.clusters`).
        keys: (n) the rows' dataset; a batch takes clusters of one key only. None = all are of one.
        apart: as in `interleave`.

    Returns:
        for `batch_sampler=`.

    Reference: Thirukovalluru et al., Breaking the Batch Barrier (B3), arXiv:2505.11293.
    """
    count = sum(len(cluster) for cluster in clusters)
    if sorted(row for cluster in clusters for row in cluster) != list(range(count)):
        raise ValueError(f"the clusters do not hold each of {count} rows once\nMake them with mining.clusters(…)")
    whose = list(keys) if keys is not None else [None] * count
    _check(whose, apart, count)

    def plan(generator: torch.Generator, size: int) -> list[list[int]]:
        made: list[list[int]] = []
        for members in _by_key([whose[cluster[0]] for cluster in clusters]).values():
            batch: list[int] = []
            for position in _shuffled(members, generator):
                if batch and len(batch) + len(clusters[position]) > size:
                    made.append(batch)
                    batch = []
                batch = batch + list(clusters[position])[:size]
            made.append(batch)
        return _shuffled([_distinct(batch, apart) for batch in made], generator)

    return partial(Sampler, plan=plan, rows=count)


def _by_key(keys: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    return groups


def _shuffled(values: Sequence[_T], generator: torch.Generator) -> list[_T]:
    return [values[i] for i in torch.randperm(len(values), generator=generator).tolist()]


def _cut(members: Sequence[int], size: int, apart: Sequence[Hashable] | None) -> list[list[int]]:
    """Cut into batches; a row that repeats one of its batch waits for a later one."""
    if apart is None:
        return [list(members[i : i + size]) for i in range(0, len(members), size)]
    made: list[list[int]] = []
    waiting = list(members)
    while waiting:
        batch, seen, later = list[int](), set[Hashable](), list[int]()
        for row in waiting:
            fits = len(batch) < size and apart[row] not in seen
            (batch if fits else later).append(row)
            if fits:
                seen.add(apart[row])
        made.append(batch)
        waiting = later
    return made


def _distinct(batch: list[int], apart: Sequence[Hashable] | None) -> list[int]:
    """Without the rows that repeat an earlier one of the batch."""
    if apart is None:
        return batch
    return list({apart[row]: row for row in reversed(batch)}.values())[::-1]


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} is {value}\nUse at least 1")


def _check(keys: Sequence[Hashable], apart: Sequence[Hashable] | None, count: int | None = None) -> None:
    wanted = len(keys) if count is None else count
    if len(keys) != wanted or (apart is not None and len(apart) != wanted):
        have = len(keys) if apart is None else len(apart)
        raise ValueError(f"{have} keys or hashes for {wanted} rows\nGive one a row, in the dataset's order")
