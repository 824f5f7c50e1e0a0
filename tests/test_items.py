"""Items: digests, laziness, places."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samespace import Audio, Blob, Document, Image, Locator, Mixed, Text, Video
from samespace.items import weight

locators = st.builds(
    Locator,
    path=st.none(),
    page=st.none() | st.integers(1, 9999),
    seconds=st.none() | st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)),
    chars=st.none() | st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)),
    box=st.none() | st.tuples(*[st.floats(0, 1)] * 4),
)


@given(locators)
def test_a_place_survives_being_written(locator: Locator) -> None:
    assert Locator.from_dict(locator.to_dict()) == locator


@pytest.mark.parametrize(
    ("locator", "reads"),
    [
        (Locator(), ""),
        (Locator(page=7), "p.7"),
        (Locator(seconds=(192.4, 200)), "03:12"),
        (Locator(seconds=(3723, 3730)), "1:02:03"),
        (Locator(chars=(5, 9)), "chars 5-9"),
        (Locator(page=2, chars=(5, 9)), "p.2"),
    ],
)
def test_a_place_reads_well(locator: Locator, reads: str) -> None:
    assert str(locator) == reads


def test_media_are_read_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    image = Image(Blob(path=file))  # nothing is there yet
    with pytest.raises(FileNotFoundError):
        image.digest()
    file.write_bytes(b"one")
    assert image.digest() == Image(Blob(data=b"one"), Locator(path="elsewhere")).digest()


def test_the_digest_is_of_what_is_embedded() -> None:
    one = Blob(data=b"one")
    items = [
        Text("one"), Text("two"), Image(one), Audio(one), Video(one), Document(one), Document(one, "one"),
        Audio(one, Locator(seconds=(0, 1))), Mixed((Text("one"),)), Mixed((Text("o"), Text("ne"))),
        Mixed((Text("on"), Text("e"))), Mixed((Text("ne"), Text("o"))),
    ]  # fmt: skip
    assert len({i.digest() for i in items}) == len(items)
    assert Text("one", Locator(page=3)).digest() == Text("one").digest()


@given(st.text())
def test_any_text_has_a_digest(text: str) -> None:
    assert len(Text(text).digest()) == 32


def test_broken_surrogates_have_a_digest_too() -> None:
    assert Text("\udcff").digest() != Text("\udcfe").digest()


def test_impossible_items_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        Mixed(())
    with pytest.raises(ValueError, match="either bytes or a path"):
        Blob()
    with pytest.raises(ValueError, match="either bytes or a path"):
        Blob(data=b"", path=Path("x"))


def test_weight_is_what_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(b"12345")
    seen, unread = Image(Blob(data=b"123")), Image(Blob(path=tmp_path / "a.webp"))
    page = Document(Blob(data=b"1234"), "words")
    assert [weight(i) for i in (Text("abc"), seen, unread, page, Mixed((Text("ab"), seen, page)))] == [3, 3, 0, 9, 14]
