"""What any Encoder must hold, as one call: for samespace's own tests and for authors of plugins.

    from samespace.encode.contract import check_encoder
    check_encoder(my_encoder)

Knows nothing of any one model. Imports numpy; raises AssertionError with what did not hold.
"""

from collections.abc import Sequence

import numpy as np

from samespace.encode.doctor_subject import LONG, Subject, drift, pictures
from samespace.encode.protocol import Encoder, Role
from samespace.items import Audio, Blob, Document, Item, Mixed, Text, Video
from samespace.space import Space

__all__ = ["check_encoder", "sample"]

_ROLES: tuple[Role, ...] = ("query", "document")


def check_encoder(encoder: Encoder, items: Sequence[Item] | None = None, *, tolerance: float | None = None) -> None:
    """See that an Encoder keeps its contract.

    Args:
        encoder: to be checked.
        items: of kinds it takes, at least two and all unlike; None = some of every kind it takes.
        tolerance: how far (1 - cosine) a vector may move by what must not move it; None = by its recipe's precision.

    Raises:
        AssertionError: what did not hold, with its values.
    """
    given = list(items) if items is not None else sample(encoder)
    far = tolerance if tolerance is not None else Subject(encoder).tolerance
    assert isinstance(encoder, Encoder), f"{type(encoder).__name__} lacks space, modalities or encode"
    assert encoder.modalities, "it takes nothing in"
    assert len(given) >= 2, "at least two items are needed to see an order"
    _space(encoder)
    _empty(encoder)
    for role in _ROLES:
        _order(encoder, given, role, far)
    _long(encoder)
    _refusals(encoder, given)


def sample(encoder: Encoder) -> list[Item]:
    """Unlike items of every kind that an Encoder takes in; sound and film excepted."""
    one, other = pictures()
    kinds: dict[str, list[Item]] = {
        "text": [
            Text("a red kite over the hills"),
            Text(""),
            Text("税"),
            Text("Tax  \n returns 2024 — “late”?\x00 🎈"),
        ],
        "image": [one, other],
        "document": [Document(one.blob, "page one"), Document(other.blob)],
        "mixed": [Mixed((one, Text("on a white ground"))), Mixed((other, Text("on a white ground")))],
    }
    return [item for kind, made in kinds.items() if kind in encoder.modalities for item in made]


def _space(encoder: Encoder) -> None:
    space = encoder.space
    assert Space.from_json(space.to_json()) == space, "its Space does not survive JSON"
    assert space.fingerprint, "its Space has no fingerprint: compute it from recipe and weights"


def _empty(encoder: Encoder) -> None:
    for role in _ROLES:
        none = encoder.encode([], role=role)
        assert none.data.shape == (0, encoder.space.dim), f"no items gave {none.data.shape}"
        assert none.space == encoder.space, "no items gave another Space"


def _order(encoder: Encoder, items: list[Item], role: Role, far: float) -> None:
    """One row an item, in order, the same alone and together, backwards and again; both roles in one Space."""
    made = encoder.encode(items, role=role)
    assert made.space == encoder.space, f"role {role!r} gave vectors of {made.space}, not of {encoder.space}"
    assert made.data.shape == (len(items), encoder.space.dim), f"{len(items)} items gave {made.data.shape}"
    if encoder.space.metric == "cosine":
        off = float(np.abs(np.linalg.norm(made.data.astype(np.float64), axis=1) - 1).max())
        assert off <= 1e-3, f"lengths are off 1 by {off:.3g}"
    again = encoder.encode(items, role=role)
    assert np.array_equal(again.data, made.data), (
        f"the same items gave other vectors, {drift(made.data, again.data):.3g} away"
    )
    backwards = encoder.encode(items[::-1], role=role).data[::-1]
    assert drift(made.data, backwards) <= far, f"backwards, vectors moved by {drift(made.data, backwards):.3g}"
    single = np.concatenate([encoder.encode([item], role=role).data for item in items])
    assert drift(made.data, single) <= far, f"alone, vectors moved by {drift(made.data, single):.3g} (bound {far:.3g})"
    doubled = encoder.encode([items[0], *items, items[0]], role=role).data
    assert drift(doubled[[0, -1]], made.data[[0, 0]]) <= far, "an item that is given twice gave two vectors"
    assert drift(doubled[1:-1], made.data) <= far, "items beside a double one moved"


def _long(encoder: Encoder) -> None:
    if "text" in encoder.modalities:
        made = encoder.encode([Text("short"), Text(LONG), Text("一" * 20_000)])
        assert made.data.shape[0] == 3, "a long text changed the number of rows"


def _refusals(encoder: Encoder, items: list[Item]) -> None:
    """A kind it does not take raises TypeError with the item's position, wherever it stands."""
    one = pictures()[0]
    foreign: list[Item] = [
        Text("x"),
        one,
        Document(one.blob),
        Mixed((one, Text("x"))),
        Audio(Blob(data=b"RIFF")),
        Video(Blob(data=b"\0\0\0\x18ftyp")),
    ]
    for item in (f for f in foreign if f.modality not in encoder.modalities):
        try:
            encoder.encode([items[0], item])
        except TypeError as err:
            assert "1" in str(err), f"the refusal does not say that item 1 is the one: {err}"
            assert item.modality in str(err), f"the refusal does not say {item.modality}: {err}"
        else:
            raise AssertionError(f"it takes {sorted(encoder.modalities)}, and still took {item.modality}")
