"""Counting what an Index holds, for `samespace status`.

Knows nothing of how an Index is kept. Imports pyarrow.
"""

from collections.abc import Mapping
from dataclasses import asdict

import pyarrow as pa
import pyarrow.compute as pc

from samespace.index.protocol import Status
from samespace.index.schema import Card
from samespace.index.snapshot import Snapshot
from samespace.index.usage import Usage, add

__all__ = ["tally"]


def tally(
    uri: str,
    card: Card,
    files: pa.Table,
    view: Snapshot,
    *,
    size: int,
    versions: int,
    fragments: int,
    used: Mapping[str, Usage] | None = None,
    moving: str = "",
) -> Status:
    """Status from the file rows and a Snapshot; the rest is the store's own count, `used` by its tables."""
    total = add((used or {}).values())
    return Status(
        uri=uri,
        space=card.space,
        model=card.model,
        files=_counts(files["status"]),
        failures=_counts(files.filter(pc.equal(files["status"], "failed"))["failure"]),
        kinds=_counts(view.items["kind"]),
        items=view.items.num_rows,
        vectors=len(view),
        bytes=size,
        versions=versions,
        fragments=fragments,
        roots=tuple(sorted(pc.unique(files["root"]).to_pylist())),
        live=size - total.waste - total.kept,
        kept=total.kept,
        tables={name: asdict(one) for name, one in (used or {}).items()},
        moving=moving,
    )


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Value → how often, the most frequent first."""
    pairs = [(row["values"], row["counts"]) for row in pc.value_counts(column).to_pylist()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
