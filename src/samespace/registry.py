"""Names to plugins: "scheme:rest" → the object that knows that scheme.

A plugin is an entry point in one of the groups samespace.encoders, samespace.readers, samespace.translators,
samespace.indexes; samespace's own are declared in the same table (pyproject.toml). No decorators, no scans.

Knows nothing of what the plugins do. Imports the standard library only.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from samespace.errors import UnknownNameError

__all__ = ["Group", "load", "names", "split"]

Group = Literal["encoders", "readers", "translators", "indexes"]


def _points(group: Group) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"samespace.{group}")}


def names(group: Group) -> tuple[str, ...]:
    """All registered schemes of a group, sorted."""
    return tuple(sorted(_points(group)))


def split(name: str) -> tuple[str, str]:
    """Cut "scheme:rest" into its two halves; without a colon the scheme is "".

    >>> split("hf:org/model@rev")
    ('hf', 'org/model@rev')
    >>> split("multilingual-e5-small")
    ('', 'multilingual-e5-small')
    """
    scheme, colon, rest = name.partition(":")
    return (scheme, rest) if colon else ("", name)


def load(group: Group, scheme: str) -> Any:
    """Import and return the plugin of a scheme. Raises UnknownNameError with the nearest names."""
    points = _points(group)
    if scheme not in points:
        raise UnknownNameError(f"scheme in {group}", scheme, points)
    return points[scheme].load()
