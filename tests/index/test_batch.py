"""Between reading and the store: each vector stays with its own words, whatever fails around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingesting import POISON, Recording, every_vector_is_its_own, words

from samespace.encode import hashing
from samespace.index.batch import Batch, Task, encode_each
from samespace.index.flat import FlatIndex
from samespace.index.progress import Counts
from samespace.index.protocol import FileRow, ItemRow
from samespace.items import Locator, Text
from samespace.space import Vectors

ENCODER = hashing.load("64")


def row_of(name: str, task: Task) -> FileRow:
    status = "failed" if task.failed else "indexed"
    failure = task.failed.failure if task.failed else ""
    return FileRow(name, "/r", 1, 1.0, name, name, status, failure=failure)


def fill(batch: Batch, plan: list[list[int]], flush_at: set[int]) -> dict[str, FileRow]:
    """Files of passages by number; negative ones are poisoned. Returns the settled rows."""
    settled: dict[str, FileRow] = {}
    for number, passages in enumerate(plan):
        name = f"f{number}"
        task = Task(lambda t, n=name: row_of(n, t), lambda t, r: settled.__setitem__(r.path, r))
        for position, passage in enumerate(passages):
            text = Text(words(passage) + (POISON if passage < 0 else ""))
            row = ItemRow(
                f"{name}-{position}",
                name,
                text.digest(),
                "text",
                "text",
                "body",
                Locator(),
                text.text,
                "",
                "",
                position,
            )
            batch.add(row, text, task)
            if (number + position) % 5 in flush_at:
                batch.flush()
        batch.finish(task)
    batch.flush()
    return settled


@given(
    st.lists(st.lists(st.integers(-2, 12), max_size=5), max_size=8),
    st.sets(st.integers(0, 4), max_size=3),
)
def test_a_passage_that_fails_takes_its_file_and_nothing_else(plan: list[list[int]], flush_at: set[int]) -> None:
    index = FlatIndex(ENCODER.space)
    recording = Recording(ENCODER)
    with index.writer() as writer:
        counts = Counts()
        batch = Batch(writer, recording, counts)
        settled = fill(batch, plan, flush_at)
    bad = {f"f{i}" for i, passages in enumerate(plan) if any(p < 0 for p in passages)}
    assert {name for name, row in settled.items() if row.status == "failed"} == bad
    assert set(settled) == {f"f{i}" for i in range(len(plan))} == set(index.files())
    good = sum(len(p) for i, p in enumerate(plan) if f"f{i}" not in bad)
    assert every_vector_is_its_own(index, ENCODER) == len(index.snapshot().items) == good
    kept = {text for i, p in enumerate(plan) if f"f{i}" not in bad for text in map(words, p)}
    assert kept <= set(recording.texts) and len(kept) <= counts.passages <= len(recording.texts)


def test_blame_is_found_by_halves_and_order_is_kept() -> None:
    items = [Text(words(i) + (POISON if i in (3, 17) else "")) for i in range(30)]
    found = encode_each(Recording(ENCODER), items)
    assert [i for i, one in enumerate(found) if isinstance(one, Exception)] == [3, 17]
    alone = [ENCODER.encode([item]).data for item in items]
    assert all((f.data == a).all() for f, a in zip(found, alone, strict=True) if isinstance(f, Vectors))


def test_when_everything_fails_it_is_the_encoder() -> None:
    with pytest.raises(RuntimeError, match="stumbled"):
        encode_each(Recording(ENCODER), [Text(POISON + str(i)) for i in range(4)])
    assert isinstance(encode_each(Recording(ENCODER), [Text(POISON)])[0], RuntimeError), "one alone proves nothing"


def test_an_encoder_that_loses_a_row_is_caught() -> None:
    class Forgetful:
        space, modalities = ENCODER.space, ENCODER.modalities

        def encode(self, items, *, role="document"):
            return ENCODER.encode(items[1:] if len(items) > 3 else items)

    items = [Text(words(i)) for i in range(16)]
    found = encode_each(Forgetful(), items)
    assert all((f.data == ENCODER.encode([item]).data).all() for f, item in zip(found, items, strict=True))


def test_it_is_full_by_what_it_holds_in_memory(monkeypatch) -> None:
    monkeypatch.setattr("samespace.index.batch._BYTES", 100)
    index, item = FlatIndex(ENCODER.space), Text("x" * 60)
    with index.writer() as writer, Batch(writer, ENCODER, Counts()) as batch:
        task = Task(lambda t: row_of("f", t), lambda t, r: None)
        fulls = []
        for i, embedded in enumerate((item, None)):
            row = ItemRow(f"{i}", "f", item.digest(), "text", "text", "body", Locator(), item.text)
            batch.add(row, embedded, task)
            fulls.append(batch.full())
        batch.flush()
        assert (fulls, batch.full(), batch.busy) == ([False, True], False, False)


def test_it_is_full_by_number_and_by_time() -> None:
    index = FlatIndex(ENCODER.space)
    with index.writer() as writer:
        batch = Batch(writer, ENCODER, Counts(), target=3)
        task = Task(lambda t: row_of("f", t), lambda t, r: None)
        for i in range(3):
            assert not batch.full()
            text = Text(words(i))
            batch.add(ItemRow(f"{i}", "f", text.digest(), "text", "text", "body", Locator(), text.text), text, task)
        assert batch.full()
        batch.flush()
        assert not batch.full()
        batch.since -= 11
        assert not batch.full(), "nothing waits"
        batch.finish(task)
        assert batch.full()
