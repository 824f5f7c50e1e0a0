"""Files of vectors, and which of their rows are pairs: what can be read, and what is refused with the mend."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from samespace import Space, errors
from samespace.serve import vector_files
from samespace.serve.pairing import paired
from samespace.serve.sides import FileSide, checked, read_texts, side_of
from samespace.serve.vector_files import SPACE, VectorFile
from samespace.serve.vector_write import written

ROWS = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
HERE = Space("made/here@1", 4, fingerprint="h")


def lists(rows: np.ndarray, *, fixed: bool = True) -> pa.Array:
    if fixed:
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    return pa.array([list(map(float, row)) for row in rows], pa.list_(pa.float64()))


def table(rows: np.ndarray = ROWS, *, fixed: bool = True, **columns) -> pa.Table:
    return pa.table({"id": [f"k{i}" for i in range(len(rows))], "vector": lists(rows, fixed=fixed), **columns})


def write(path: Path, made: pa.Table, chunk: int = 16) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(made, path, row_group_size=chunk)
    elif path.suffix == ".stream":
        with pa.ipc.new_stream(path, made.schema) as out:
            out.write_table(made, max_chunksize=chunk)
    elif path.suffix == ".feather":
        feather.write_feather(made, path, chunksize=chunk)
    else:
        with pa.ipc.new_file(path, made.schema) as out:
            out.write_table(made, max_chunksize=chunk)
    return path


@pytest.mark.parametrize("name", ["v.npy", "v.parquet", "v.arrow", "v.feather", "v.stream"])
@pytest.mark.parametrize("fixed", [True, False])
def test_each_format_gives_the_same_rows_batch_by_batch(name: str, fixed: bool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(vector_files, "ROWS", 7)
    path = tmp_path / name
    if name == "v.npy":
        np.save(path, ROWS.astype(np.float64 if fixed else np.float16))
    else:
        write(path, table(fixed=fixed))
    file = VectorFile(path)
    batches = list(file.batches())
    assert (file.count, file.dim, len(file)) == (50, 4, 50) and len(batches) > 6
    assert [b.start for b in batches] == list(np.cumsum([0, *(len(b.rows) for b in batches)])[:-1])
    np.testing.assert_allclose(np.concatenate([b.rows for b in batches]), ROWS, atol=2e-3)
    np.testing.assert_allclose(file.take(np.array([0, 6, 7, 31, 49])), ROWS[[0, 6, 7, 31, 49]], atol=2e-3)
    assert file.texts("id") == (None if name == "v.npy" else [f"k{i}" for i in range(50)])
    assert file.texts("text") is None and len(file.take(np.array([], np.int64))) == 0


def test_the_space_is_what_the_file_says_or_the_caller_or_the_content(tmp_path: Path) -> None:
    said = write(tmp_path / "said.parquet", table().replace_schema_metadata({SPACE: HERE.to_json().encode()}))
    assert VectorFile(said).space == HERE and VectorFile(said).told
    assert VectorFile(said, space="made/here@1").space == HERE
    with pytest.raises(errors.SpaceMismatchError, match="leave the name away"):
        VectorFile(said, space="other/one@1")
    np.save(tmp_path / "a.npy", ROWS)
    np.save(tmp_path / "b.npy", ROWS[::-1])
    write(tmp_path / "a.parquet", table())
    plain = VectorFile(tmp_path / "a.npy")
    assert not plain.told and plain.space.name.startswith("unnamed/") and plain.space.dim == 4
    assert VectorFile(tmp_path / "a.parquet").space == plain.space, "the same rows, the same space"
    assert VectorFile(tmp_path / "b.npy").space != plain.space
    named = VectorFile(tmp_path / "a.npy", space="acme/text@1", metric="dot")
    assert named.space == Space("acme/text@1", 4, "dot") and named.told
    assert VectorFile(tmp_path / "a.npy", space=HERE.to_json()).space == HERE
    with pytest.raises(ValueError, match=r"vectors are 4 wide, .* is 9\nName another Space"):
        VectorFile(tmp_path / "a.npy", space=Space("x/y@1", 9).to_json())


def test_the_column_is_the_usual_one_or_the_only_one_or_named(tmp_path: Path) -> None:
    two = {"a": lists(ROWS), "b": lists(-ROWS)}
    path = write(tmp_path / "two.parquet", pa.table(two))
    with pytest.raises(ValueError, match=r"2 columns could be its vectors\nName one: --column a or b"):
        VectorFile(path)
    assert VectorFile(path, column="b").take(np.array([0]))[0, 0] == -ROWS[0, 0]
    with pytest.raises(ValueError, match=r"column 'c' holds no lists of numbers\nColumns that do: a, b"):
        VectorFile(path, column="c")
    assert VectorFile(write(tmp_path / "e.parquet", pa.table({**two, "embedding": lists(ROWS)}))).column == "embedding"


def nothing(path: Path) -> None:
    path.write_text("id,vector\n1,2\n")


def objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)


def cut(path: Path) -> None:
    np.save(path, ROWS)
    path.write_bytes(path.read_bytes()[:300])


def cut_table(path: Path) -> None:
    write(path.with_suffix(".parquet"), table())
    path.write_bytes(path.with_suffix(".parquet").read_bytes()[:900])


def ragged(path: Path) -> None:
    pq.write_table(pa.table({"vector": pa.array([[1.0, 2.0], [3.0]])}), path)


def nulls(path: Path) -> None:
    pq.write_table(pa.table({"vector": pa.array([[1.0, 2.0], None, [3.0, 4.0]])}), path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, r"no such file\nGive a file of vectors"),
        (nothing, r"is no file of vectors \(it begins with b'id,vecto'\)\nGive .npy"),
        (objects, r"cannot be read .*\nWrite it again: it is cut, or holds objects"),
        (cut, r"cannot be read .*\nWrite it again"),
        (cut_table, r"cannot be read .*\nWrite it again: it is cut or damaged"),
        (lambda p: np.save(p, np.zeros(7)), r"holds float64 of shape \(7,\)\nGive a matrix"),
        (lambda p: np.save(p, np.array([["a"]])), r"holds <U1 of shape \(1, 1\)\nGive a matrix"),
        (lambda p: pq.write_table(pa.table({"n": [1]}), p), r'no column of lists of numbers \(\["n"\]\)\nGive one'),
        (lambda p: pq.write_table(pa.table({"vector": pa.array([], pa.list_(pa.float32()))}), p), r"no width to be"),
        (ragged, r"row 1 has 1 numbers where 2 are needed\nLeave it out"),
        (nulls, r"row 1 has 0 numbers where 2 are needed\nLeave it out"),
    ],
)
def test_what_is_no_file_of_vectors_is_refused_in_two_lines(make, words: str, tmp_path: Path) -> None:
    make(path := tmp_path / "v.npy")
    with pytest.raises(ValueError, match=words) as caught:
        VectorFile(path).take(np.array([0]))
    assert len(str(caught.value).splitlines()) == 2


def test_rows_that_are_no_vectors_are_named_by_their_number() -> None:
    rows = np.ones((5, 3))
    rows[2], rows[4] = np.nan, 0
    with pytest.raises(errors.VectorError, match=r"row 12 is not finite, and 1 more .*\nLeave such rows out: --drop"):
        checked(rows, Space("a/a@1", 3), np.arange(10, 15))
    with pytest.raises(errors.VectorError, match="row 7 has length zero"):
        checked(rows[4:], Space("a/a@1", 3), np.array([7]))
    assert len(checked(rows[4:], Space("a/a@1", 3, "dot"), np.array([7]))) == 1


@pytest.mark.parametrize("name", ["o.npy", "o.arrow", "o.parquet"])
def test_what_is_written_is_read_again_and_an_error_leaves_the_old_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with written(path, column=None, mark="m" * 64) as out:
        out.write(HERE.vectors(ROWS[:30]))
        out.write(HERE.vectors(ROWS[30:]))
    file = VectorFile(path)
    np.testing.assert_allclose(file.take(np.arange(50)), HERE.vectors(ROWS).data, atol=1e-6)
    if name != "o.npy":
        assert file.space == HERE and file.schema.metadata[b"samespace:translator"] == b"m" * 64
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), written(path, column=None, mark="") as out:
        out.write(HERE.vectors(ROWS[:3]))
        raise KeyboardInterrupt
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [name]
    with (
        pytest.raises(ValueError, match=r"no format is known by '.csv'\nEnd it in .npy"),
        written(tmp_path / "o.csv", column=None, mark=""),
    ):
        pass


def two(tmp_path: Path, right: list[str], **more) -> tuple[FileSide, FileSide]:
    left = write(tmp_path / "l.parquet", table(ROWS[:4]))
    made = pa.table({"id": right, "vector": lists(ROWS[: len(right)]), **more})
    return FileSide(VectorFile(left)), FileSide(VectorFile(write(tmp_path / "r.parquet", made)))


def test_pairs_by_ids_whatever_their_order(tmp_path: Path) -> None:
    source, target = two(tmp_path, ["k3", "x", "k0", "k3", "k1"])
    for how in (None, "ids"):
        a, b = paired(source, target, how)
        assert sorted(zip(a.tolist(), b.tolist(), strict=True)) == [(0, 2), (1, 4), (3, 0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "source,target\nk1,a\nk0,c\n"),
        ("p.csv", "k1,a\nk0,c\n"),
        ("p.tsv", "1\t0\n0\t2\n"),
        ("p.csv", "1,a\n0,c\n"),
        ("p.jsonl", '{"source": "k1", "target": 0}\n{"source": "k0", "target": 2}\n'),
        ("p.csv", 'k1,"ate, drank"\nk0,see\n'),
    ],
)
def test_pairs_by_a_file_of_ids_numbers_or_texts(name: str, text: str, tmp_path: Path) -> None:
    sides = two(tmp_path, ["a", "b", "c"], text=["ate, drank", "be", "see"])
    (tmp_path / name).write_text(text)
    a, b = paired(*sides, str(tmp_path / name))
    assert a.tolist() == [1, 0] and b.tolist() == [0, 2]
    pq.write_table(pa.table({"n": [1], "target": ["c"], "source": ["k2"]}), tmp_path / "p.parquet")
    a, b = paired(*sides, str(tmp_path / "p.parquet"))
    assert a.tolist() == [2] and b.tolist() == [2]


@pytest.mark.parametrize(
    ("how", "text", "words"),
    [
        ("rows", "", r"4 rows of l.parquet but 3 of r.parquet\nRow i of both must be one item"),
        (None, "", r"no equal ids and no equal texts in l.parquet and r.parquet.*\nSay --pairs rows .* or --unpaired"),
        ("texts", "", r"no equal texts in l.parquet"),
        ("p.csv", "k0,a\nk9,b\n", r"'k0' is no id, text or row number \(below 4\) of l.parquet\nGive two columns"),
        ("p.csv", "0,a\n4,b\n", r"'4' is no id, text or row number"),
        ("p.csv", "", r"p.csv holds no pairs\nGive two columns"),
        ("p.jsonl", '{"left": 1}\n', r"holds no pairs .*\nGive .csv"),
        ("none.csv", None, r"no such file\nGive --pairs FILE, or one of: rows, ids, texts"),
    ],
)
def test_pairs_that_are_none_are_refused(how, text, words: str, tmp_path: Path) -> None:
    sides = two(tmp_path, ["a", "b", "c"])
    if how and "." in how:
        if text is not None:
            (tmp_path / how).write_text(text)
        how = str(tmp_path / how)
    with pytest.raises(ValueError, match=words):
        paired(*sides, how)


def test_texts_are_lines_or_a_column(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\n\n two words\n")
    assert read_texts(tmp_path / "t.txt") == ["one", " two words"]
    pq.write_table(pa.table({"n": [1, 2], "text": ["a", None]}), tmp_path / "t.parquet")
    assert read_texts(tmp_path / "t.parquet") == ["a"]
    pq.write_table(pa.table({"n": [1]}), tmp_path / "n.parquet")
    with pytest.raises(ValueError, match=r"has no column of texts \(n\)\nGive one named `text`"):
        read_texts(tmp_path / "n.parquet")
    (tmp_path / "e.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no texts"):
        read_texts(tmp_path / "e.txt")


def test_what_is_neither_file_nor_index_nor_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"is a folder without an index\nGive an index, a file of vectors, or the name"
    ):
        side_of(str(tmp_path))
    with pytest.raises(ValueError, match="there is no such file"):
        side_of(str(tmp_path / "gone.npy"))
    with pytest.raises(errors.UnknownNameError):
        side_of("no-such-model")
    assert json.loads(HERE.to_json())["dim"] == 4
