"""From the page's search to a Query, and to the Searcher that answers it.

Knows nothing of HTTP or of how a search is made.
"""

from functools import reduce
from operator import add
from typing import Any

from samespace.encode.protocol import Encoder
from samespace.index.migrate_order import note
from samespace.index.protocol import Hits
from samespace.index.query import Query
from samespace.index.search import Searcher
from samespace.read.pool import ReaderPool
from samespace.serve.upload import QueryFiles
from samespace.serve.wire import Part, Search

__all__ = ["Asker"]


class Asker:
    """Answers searches over one index."""

    def __init__(self, index: Any, encoder: Encoder, pool: ReaderPool, files: QueryFiles) -> None:
        self._searcher, self._files = Searcher(index, encoder, pool), files
        self._uri = str(getattr(index, "uri", ""))

    def search(self, wanted: Search) -> Hits:
        """Search. Raises QueryError."""
        query = reduce(add, (self._part(part) for part in wanted.parts))
        conditions = wanted.filter_json()
        if conditions is not None:
            query = query.where(conditions)
        hits = self._searcher.search(query, k=wanted.k, hybrid=wanted.hybrid)
        note(self._uri, (hit.id for hit in hits))
        return hits

    def _part(self, part: Part) -> Query:
        return part.weight * self._source(part)

    def _source(self, part: Part) -> Query:
        if part.text is not None:
            return Query.text(part.text)
        if part.item is not None:
            return Query.stored(part.item)
        assert part.file is not None  # Part has exactly one
        return Query.file(self._files.find(part.file).path)
