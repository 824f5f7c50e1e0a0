"""What every Index checks before it writes, so that none holds rows that lead nowhere.

Imports nothing beyond the protocol.
"""

from collections.abc import Container, Sequence

from samespace.index.protocol import ItemRow
from samespace.space import Space, Vectors

__all__ = ["check_commit"]


def check_commit(
    items: Sequence[ItemRow], digests: Sequence[str], vectors: Vectors, space: Space, known: Container[str]
) -> None:
    """Refuse a commit that does not fit together, before anything of it is written.

    Raises:
        SpaceMismatchError: vectors of another Space.
        ValueError: not one digest a vector, an empty digest, or an item whose vector is neither here nor given.
    """
    vectors.require(space)
    if len(digests) != len(vectors):
        raise ValueError(f"{len(digests)} digests but {len(vectors)} vectors\nGive one digest for each vector.")
    given = set(digests)
    if "" in given:
        raise ValueError("a vector has the empty digest\nUse item.digest().")
    for item in items:
        if item.digest and item.digest not in given and item.digest not in known:
            raise ValueError(
                f"item {item.id!r} leads to digest {item.digest!r}, which has no vector\n"
                "Encode what writer.missing(digests) names and commit its vectors first or with it."
            )
