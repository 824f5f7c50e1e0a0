"""Building a search index by parts: one segment a group of fragments, by any executor, then merged and named once.

What all segments must share (centroids, rotation) is trained by the caller and travels with the work. A worker that
dies in the middle leaves files that nobody names.

Knows nothing of rows and their meaning. Imports lance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lance
from lance.indices import IndicesBuilder
from lance.lance import indices

from samespace.index.durable import Durable
from samespace.index.executor import Executor
from samespace.index.medium import place
from samespace.index.search_indexes import Build, whole

__all__ = ["Segment", "spread"]

_ROWS = 20_000  # of a group at least: below, it costs more to ask another for it


@dataclass(frozen=True, eq=False)
class Segment:
    """The work: some fragments of a table → Lance's metadata of a segment over them, its files on the disk.

    Attributes:
        uri: of the table; version: of it.
        column: what is indexed; the index has the same name.
        settings: for Lance, with what all segments share.
    """

    uri: str
    version: int
    column: str
    settings: Mapping[str, Any]

    def __call__(self, fragments: Sequence[int]) -> Any:
        """Build one segment."""
        made = whole(lance.dataset(self.uri, version=self.version), self.column, fragments, self.settings)
        folder = place(self.uri)
        if folder is not None:
            Durable(Path(folder)).sync(f"_indices/{made.uuid}")
        return made

    def close(self) -> None:
        """Nothing is kept."""


def spread(executor: Executor) -> Build:
    """A way to build an index that has the executor's workers do it, where there are rows enough for two of them."""

    def build(table: Any, column: str, fragments: Sequence[int], settings: Mapping[str, Any]) -> Any:
        groups = _groups(table, fragments, executor.workers)
        if len(groups) < 2:
            return whole(table, column, fragments, settings)
        work = Segment(table.uri, table.version, column, {**settings, **_shared(table, column, settings)})
        return table.merge_existing_index_segments(list(executor.run(work, groups)))

    return build


def _groups(table: Any, fragments: Sequence[int], workers: int) -> list[list[int]]:
    """Fragments in as many groups as there are workers, of about as many rows; fewer if there are few rows."""
    rows = {f.fragment_id: f.count_rows() for f in table.get_fragments() if f.fragment_id in set(fragments)}
    groups: list[list[int]] = [[] for _ in range(max(1, min(workers, len(rows), sum(rows.values()) // _ROWS)))]
    sizes = [0] * len(groups)
    for fragment in sorted(rows, key=lambda f: (-rows[f], f)):
        at = sizes.index(min(sizes))
        groups[at].append(fragment)
        sizes[at] += rows[fragment]
    return groups


def _shared(table: Any, column: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What all segments of an index over vectors have in common; nothing for one over words."""
    if not settings["index_type"].startswith("IVF"):
        return {}
    model = IndicesBuilder(table, column).train_ivf(
        num_partitions=settings["num_partitions"],
        distance_type=settings["metric"],
        sample_rate=settings["sample_rate"],
        max_iters=settings["max_iterations"],
    )
    dim = table.schema.field(column).type.list_size
    rotation = indices.build_rq_model(dimension=dim, num_bits=settings["num_bits"])
    return {"ivf_centroids": model.centroids, "rabitq_model": rotation}
