"""Training data: every kind of cell becomes the right Item, and a wrong row is named with its reason and its mend."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image as Pillow

from samespace.errors import DataError
from samespace.items import Audio, Blob, Image, Mixed, Text, Video
from samespace.train.check import problems
from samespace.train.data import load
from samespace.train.example import Example


def picture(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Pillow.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def sound(samples: int = 800) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, np.linspace(-0.5, 0.5, samples, dtype=np.float32), 8000, format="WAV")
    return stream.getvalue()


FILM = b"\0\0\0\x18ftypisom" + b"\0" * 16


@pytest.mark.parametrize(
    ("cell", "item"),
    [
        ("a kite", Text("a kite")),
        (picture(), Image(Blob(data=picture()))),
        ({"bytes": sound(), "path": None}, Audio(Blob(data=sound()))),
        ({"bytes": FILM, "path": "x.mp4"}, Video(Blob(data=FILM))),
        ({"image": picture(), "text": None}, Image(Blob(data=picture()))),
        (
            {"image": picture(), "text": "make it green"},
            Mixed((Text("make it green"), Image(Blob(data=picture())))),
        ),
        (Text("as it is"), Text("as it is")),
    ],
    ids=["text", "bytes", "hf media", "film", "named", "mixed", "item"],
)
def test_a_cell_becomes_its_item(cell, item) -> None:
    (example,), found = load([{"anchor": cell, "positive": "its caption"}])
    assert example == Example(item, Text("its caption"))
    assert found == []


def test_negatives_and_instructions_from_both_layouts() -> None:
    rows = [
        {"anchor": "a", "positive": "b", "negatives": ["c", picture()], "instruction": "Find the answer."},
        {"anchor": "d", "positive": "e", "negative_1": "f", "negative_2": None, "negative": "g"},
    ]
    (first, second), _ = load(rows)
    assert first.negatives == (Text("c"), Image(Blob(data=picture())))
    assert first.instruction == "Find the answer."
    assert {n.text for n in second.negatives} == {"f", "g"}
    assert (second.instruction, second.row) == ("", 1)


def test_a_file_on_the_disk_is_read_by_its_path(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (example,), _ = load([{"anchor": "a", "positive": {"path": str(tmp_path / "a.png"), "bytes": None}}])
    assert example.positive == Image(Blob(path=tmp_path / "a.png"))
    with pytest.raises(DataError, match=r"row 0, positive: its file cannot be read .*gone.png"):
        load([{"anchor": "a", "positive": {"path": str(tmp_path / "gone.png"), "bytes": None}}])


def test_parquet_and_datasets_give_the_same(tmp_path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"anchor": ["a", "b"], "positive": [picture(1), picture(2)]}
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    from_file, _ = load(tmp_path / "rows.parquet")
    assert [e.positive for e in from_file] == [Image(Blob(data=picture(i))) for i in (1, 2)]
    assert load(tmp_path)[0] == from_file
    made = datasets.Dataset.from_dict({"anchor": rows["anchor"], "positive": [{"bytes": b} for b in rows["positive"]]})
    assert load(made)[0] == from_file
    decoding = made.cast_column("positive", datasets.Image())
    assert load(decoding)[0] == from_file


BAD = [
    {"anchor": "fine", "positive": picture(1)},
    {"anchor": "broken", "positive": {"image": picture(2)[:60]}},
    {"anchor": "  \n", "positive": picture(3)},
    {"anchor": "again", "positive": picture(1)},
    {"anchor": "no bytes", "positive": None},
    {"anchor": "noise", "positive": {"audio": b"RIFF" + b"\0" * 40}},
    {"anchor": "silence", "positive": {"audio": sound(0)}},
    {"anchor": "hard", "positive": "ok", "negatives": ["", "fine"]},
    {"anchor": "odd", "positive": b"\0\1\2\3 nothing known"},
    {"anchor": "asked", "positive": "x", "instruction": 3},
]


def test_bad_rows_are_left_out_and_listed() -> None:
    examples, found = load(BAD, skip=True)
    assert [e.row for e in examples] == [0, 3]
    assert [(p.row, p.column, p.kind) for p in found] == [
        (1, "positive", "decode"), (2, "anchor", "empty"), (4, "positive", "form"), (5, "positive", "decode"),
        (6, "positive", "empty"), (7, "negative 0", "empty"), (8, "positive", "form"), (9, "instruction", "form"),
        (3, "positive", "repeat"),
    ]  # fmt: skip
    assert str(found[1]) == "row 2, anchor: the text is empty"
    assert found[-1].reason == "the same positive as in row 0"
    assert all(p.mend for p in found)


def test_the_first_bad_row_is_the_error_and_the_rest_are_counted() -> None:
    with pytest.raises(DataError, match=r"row 1, positive: not a picture .* \(7 more like it\)\nConvert it") as caught:
        load(BAD)
    assert (caught.value.row, caught.value.column) == (1, "positive")


def test_repeats_alone_are_no_error() -> None:
    examples, found = load([BAD[0], BAD[3]])
    assert len(examples) == 2
    assert [p.kind for p in found] == ["repeat"]
    assert problems(examples) == found


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([{"caption": "a", "positive": "b"}], "column is missing; there are: caption, positive\nRename yours"),
        ([], "no row of the dataset can be used\nGive rows with the columns anchor and positive"),
        ("nowhere.parquet", "nowhere.parquet is no parquet file"),
        ([{"anchor": 3, "positive": "b"}], "row 0, anchor: it holds int\nGive text, bytes"),
        ([{"anchor": {"image": 7}, "positive": "b"}], "row 0, anchor: its bytes are int"),
    ],
)
def test_what_is_no_dataset_is_named(source, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load(source)


def test_a_file_that_is_no_parquet(tmp_path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        load(tmp_path / "a.parquet")
