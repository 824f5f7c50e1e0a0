"""The page's API over a real small index: what it finds, what it refuses, and that nothing leads out of it."""

import json
import logging
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from serving import EVIL, PORT, TOKEN, TURNED, Desk
from starlette.testclient import TestClient

import samespace.serve
from samespace import Space
from samespace.encode import hashing
from samespace.errors import SpaceMismatchError
from samespace.index.flat import FlatIndex
from samespace.read.pool import ReaderPool
from samespace.read.protocol import Options
from samespace.serve.cli import main
from samespace.serve.http import create_app
from samespace.serve.routes import BusyError, Gate
from samespace.serve.security import allowed_hosts
from samespace.serve.session import searched

PAGE = Path(samespace.serve.__file__).parent / "page"


def error(answer: Any, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    told: dict[str, str] = answer.json()["error"]
    assert set(told) == {"message", "mend"}
    assert told["message"]
    assert told["mend"]
    return told


# What it finds


def test_words_find_the_place(desk: Desk) -> None:
    found = desk.search({"text": "what can your country do"})
    first = found["hits"][0]
    assert first["name"] == "talk.wav"
    assert first["kind"] == "audio"
    assert first["place"] == "00:00"
    assert first["locator"] == {"seconds": [0.5, 1.0]}
    assert first["player"] == "audio"
    assert first["match"] in ("strong", "likely", "weak")
    assert first["confident"] is found["confident"] is True
    assert found["searched"] == 14


def test_nothing_like_it_is_said_plainly(desk: Desk) -> None:
    found = desk.search({"text": "zzyzx qwrtp vbnmk"})
    assert found["confident"] is False
    assert all(not hit["confident"] and hit["match"] == "weak" for hit in found["hits"])


def test_kinds_and_filters_hold_together(desk: Desk) -> None:
    names = {h["name"] for h in desk.search({"text": "the harbour pier"}, kinds=["video", "text"])["hits"]}
    assert "talk.avi" in names
    assert "talk.wav" not in names
    found = desk.search({"text": "the harbour pier"}, kinds=["video", "text"], filter={"mime": {"=": "text/plain"}})
    assert {h["kind"] for h in found["hits"]} == {"text"}


def test_more_and_less_like_an_item(desk: Desk) -> None:
    item = next(h for h in desk.search({"text": "espresso"})["hits"] if "espresso" in h["snippet"])
    more = desk.search({"item": item["id"]})
    assert more["composed"] == "single"
    plain = desk.search({"text": "espresso harbour pier"}, hybrid=False)
    less = desk.search({"text": "espresso harbour pier"}, {"item": item["id"], "weight": -1}, hybrid=False)
    assert less["composed"] == "sum"
    assert plain["hits"][0]["id"] == item["id"]
    assert less["hits"][0]["id"] != item["id"]


def test_k_is_kept(desk: Desk) -> None:
    assert len(desk.search({"text": "the"}, k=2)["hits"]) <= 2


def test_an_item_in_full_stands_in_its_surroundings(desk: Desk) -> None:
    answer = desk.client.get("/v1/items/r0000i4").json()
    assert answer["name"] == "book.txt"
    assert answer["text"].startswith("chapter 4")
    assert [n["text"][:9] for n in answer["before"]] == ["chapter 1", "chapter 2", "chapter 3"]
    assert [n["text"][:9] for n in answer["after"]] == ["chapter 5", "chapter 6", "chapter 7"]
    assert answer["place"] == ""
    assert answer["there"] is True
    first, last = (desk.client.get(f"/v1/items/r0000i{i}").json() for i in (0, 8))
    assert first["before"] == []
    assert last["after"] == [], "the next file's items are no neighbours"


def test_a_name_that_is_no_utf8_is_found_again(desk: Desk) -> None:
    hit = desk.search({"text": "espresso"})["hits"][0]
    assert hit["name"] == "caf%E9.txt"
    assert desk.client.get(f"/v1/items/{hit['id']}").json()["there"] is True


def test_names_come_as_they_are_and_only_as_json(desk: Desk) -> None:
    answer = desk.client.post("/v1/search", json={"parts": [{"text": "herring chips"}]})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["hits"][0]["name"] == EVIL
    assert answer.content.isascii(), "also what turns letters round is escaped"
    assert desk.search({"text": "invoice crane"})["hits"][0]["name"] == TURNED


def test_status_says_what_is_here(desk: Desk) -> None:
    answer = desk.client.get("/v1/status").json()
    assert answer["items"] == 14
    assert answer["kinds"] == {"text": 12, "audio": 1, "video": 1}
    assert answer["model"] == "hashing:256"
    assert answer["takes"] == ["text"]


# What it refuses


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "parts"),
        ({"parts": []}, "parts"),
        ({"parts": [{}]}, "parts.0"),
        ({"parts": [{"text": "a", "item": "b"}]}, "parts.0"),
        ({"parts": [{"text": ""}]}, "parts.0.text"),
        ({"parts": [{"text": "a", "weight": 0}]}, "parts.0"),
        ({"parts": [{"text": "a", "weight": 99}]}, "parts.0.weight"),
        ({"parts": [{"text": "a", "weight": "2"}]}, "parts.0.weight"),
        ({"parts": [{"path": "/etc/passwd"}]}, "parts.0.path"),
        ({"parts": [{"file": "../../etc/passwd"}]}, "parts.0.file"),
        ({"parts": [{"text": "a"}] * 17}, "parts"),
        ({"parts": [{"text": "a"}], "k": 0}, "k"),
        ({"parts": [{"text": "a"}], "k": 101}, "k"),
        ({"parts": [{"text": "a"}], "kinds": ["virus"]}, "kinds.0"),
        ({"parts": [{"text": "a"}], "where": "1=1"}, "where"),
        ({"parts": [{"text": "a" * 10_001}]}, "parts.0.text"),
    ],
)
def test_a_search_that_makes_no_sense_names_the_field(desk: Desk, body: dict[str, Any], field: str) -> None:
    told = error(desk.client.post("/v1/search", json=body), 422)
    assert told["message"].startswith(f"{field}:")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"parts":[{"text":"a","weight":NaN}]}', b"[" * 5000])
def test_what_is_no_json_is_no_server_error(desk: Desk, body: bytes) -> None:
    error(desk.client.post("/v1/search", content=body), 422)


def test_our_errors_become_422_with_the_mend(desk: Desk) -> None:
    told = error(desk.client.post("/v1/search", json={"parts": [{"text": "a"}], "filter": {"colour": "red"}}), 422)
    assert "colour" in told["message"]
    told = error(desk.client.post("/v1/search", json={"parts": [{"file": "0" * 32}]}), 422)
    assert told["mend"].startswith("Drop it")
    error(desk.client.post("/v1/search", json={"parts": [{"item": "nosuch"}]}), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items/nosuch", "/v1/items/nosuch/page", "/v1/items/nosuch/media", "/v1/previews/nosuch",
        "/v1/previews/" + "0" * 32, "/v1/previews/..%2f..%2fetc%2fpasswd", "/static/nosuch.js", "/static/index.html",
        "/static/index.html.jinja", "/static/..%2fhttp.py", "/static/%2e%2e/http.py", "/docs", "/openapi.json",
        "/nosuch",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404(desk: Desk, path: str) -> None:
    error(desk.client.get(path), 404)


def test_another_method_is_refused(desk: Desk) -> None:
    error(desk.client.get("/v1/search"), 405)
    error(desk.client.delete("/v1/items/r0000i4"), 405)
    error(desk.client.get("/v1/items/r0000i4/page?pixels=many"), 422)


def test_an_encoder_of_another_space_is_refused_at_the_start(desk: Desk, tmp_path: Path) -> None:
    index = FlatIndex(Space("other/space@1", 256, fingerprint="ff"))
    with ReaderPool(Options()) as pool, pytest.raises(SpaceMismatchError, match="other/space"):
        create_app(index, hashing.load("256"), pool, token=TOKEN, hosts={"a:1"})


# Recordings


def test_a_recording_is_played_from_its_middle(desk: Desk) -> None:
    data = (desk.root / "talk.wav").read_bytes()
    answer = desk.client.get("/v1/items/r0001i0/media", headers={"range": "bytes=100-199"})
    assert answer.status_code == 206
    assert answer.content == data[100:200]
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("key", ["r0000i0", "r0002i0"])
def test_other_files_are_not_sent(desk: Desk, key: str) -> None:
    error(desk.client.get(f"/v1/items/{key}/media"), 415)


def test_a_recording_that_became_a_link_out_is_not_sent(desk: Desk, tmp_path: Path) -> None:
    file = desk.root / "talk.wav"
    kept = file.rename(desk.root / "kept")
    (tmp_path / "secret.wav").write_bytes(b"no")
    file.symlink_to(tmp_path / "secret.wav")
    try:
        error(desk.client.get("/v1/items/r0001i0/media"), 422)
        file.unlink()
        error(desk.client.get("/v1/items/r0001i0/media"), 404)
        assert desk.client.get("/v1/items/r0001i0").json()["there"] is False
    finally:
        kept.rename(file)


# Files as queries


def test_an_uploaded_file_has_an_id_and_no_path(desk: Desk) -> None:
    answer = desk.client.post("/v1/query-file", params={"name": "../a.txt"}, content=b"the lighthouse")
    assert set(answer.json()) == {"id", "name", "size"}
    again = desk.client.post("/v1/query-file", params={"name": "b.txt"}, content=b"the lighthouse")
    assert answer.json()["id"] == again.json()["id"]
    error(desk.client.post("/v1/query-file?name=a.txt", content=b""), 422)


def test_forms_have_limits(desk: Desk) -> None:
    error(desk.client.post("/v1/search", files={"photo": ("a.png", b"x")}), 422)
    many = [("f", (f"{i}.txt", b"x")) for i in range(9)]
    error(desk.client.post("/v1/search", data={"query": "{}"}, files=many), 400)
    error(desk.client.post("/v1/search", content=b"junk", headers={"content-type": "multipart/form-data"}), 400)


@pytest.mark.slow
def test_a_file_finds_what_is_like_it(desk: Desk) -> None:
    words = b"The keeper of the lighthouse wound up the clock."
    kept = desk.client.post("/v1/query-file", params={"name": "n.txt"}, content=words).json()
    assert desk.search({"file": kept["id"]})["hits"][0]["name"] == "book.txt"
    form = {"query": json.dumps({"parts": [{"file": "mine"}, {"text": "espresso", "weight": -0.1}]})}
    answer = desk.client.post("/v1/search", data=form, files={"mine": ("n.txt", words)})
    assert answer.status_code == 200
    assert answer.json()["hits"][0]["name"] == "book.txt"


@pytest.mark.slow
def test_a_hostile_file_fails_alone(desk: Desk) -> None:
    kept = desk.client.post(
        "/v1/query-file", params={"name": "a.png"}, content=b"\x89PNG\r\n\x1a\n" + b"\x00" * 99
    ).json()
    error(desk.client.post("/v1/search", json={"parts": [{"file": kept["id"]}]}), 422)
    assert desk.client.get("/healthz").status_code == 200


# How much at once


async def _crowd(gate: Gate, most: int) -> list[object]:
    import asyncio
    import threading

    hold = threading.Event()
    jobs = [asyncio.create_task(gate.run(lambda: hold.wait(5))) for _ in range(most)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await gate.run(lambda: hold.wait(5))
    hold.set()
    done: list[object] = list(await asyncio.gather(*jobs))
    done.append(await gate.run(lambda: "free again"))
    return done


def test_too_much_at_once_is_refused_and_then_let_in_again() -> None:
    import anyio

    async def run() -> list[object]:
        return await _crowd(Gate(running=1, waiting=2), 3)

    assert anyio.run(run) == [True, True, True, "free again"]


def test_a_full_house_is_429(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    state = desk.client.app.state.desk  # type: ignore[attr-defined]
    monkeypatch.setattr(state.searches, "_most", 0)
    answer = desk.client.post("/v1/search", json={"parts": [{"text": "a"}]})
    error(answer, 429)
    assert answer.headers["retry-after"] == "1"


# The page itself


def test_the_page_is_whole_and_asks_nobody_else(desk: Desk) -> None:
    shell = desk.client.get("/")
    assert shell.headers["content-type"].startswith("text/html")
    named = set(re.findall(r'(?:src|href)="(/[^"]+)"', shell.text)) - {"/"}
    modules = {f"/static/{m}" for f in PAGE.glob("*.js") for m in re.findall(r'from "\./([^"]+)"', f.read_text())}
    assert modules
    for path in named | modules:
        answer = desk.client.get(path)
        assert answer.status_code == 200, path
        mark = answer.headers["etag"]
        assert desk.client.get(path, headers={"if-none-match": mark}).status_code == 304
    for file in PAGE.iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|//cdn", file.read_text()), file


def test_text_never_becomes_markup() -> None:
    """A lint: no script writes HTML, no markup carries script or style."""
    writes = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|setHTML|\beval\b"
        r"|new Function|setTimeout\(\s*[\"'`]|javascript:"
    )
    for file in PAGE.glob("*.js"):
        assert not writes.search(file.read_text()), file
    shell = (PAGE / "index.html.jinja").read_text()
    assert not re.search(r"\son\w+=|style=|<style|<script(?! type=\"module\" src)|\|\s*safe", shell)


def test_the_token_is_in_no_log_and_no_answer(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answers = [
            desk.client.get("/"),
            desk.client.get("/v1/status"),
            desk.client.get("/v1/items/nosuch"),
            desk.client.get("/?token=wrong-token-of-nobody"),
            desk.client.get(f"/?token={TOKEN}"),
            desk.client.post("/v1/search", json={"parts": [{"text": TOKEN[:8]}]}),
        ]
    assert TOKEN not in "".join(record.getMessage() for record in caplog.records if record.name != "httpx2")
    assert not [a for a in answers if TOKEN in a.text]
    assert TOKEN not in answers[4].headers["location"]


def test_query_files_go_with_the_server(encoder: hashing.Hashing, tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    from samespace.serve.security import allowed_hosts

    with ReaderPool(Options()) as pool:
        app = create_app(FlatIndex(encoder.space), encoder, pool, token=TOKEN, hosts=allowed_hosts("127.0.0.1", PORT))
        headers = {"authorization": f"Bearer {TOKEN}"}
        with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers=headers) as client:
            client.post("/v1/query-file?name=a.txt", content=b"words").json()
            folder = app.state.desk.files.folder
            assert len(list(folder.iterdir())) == 1
        assert not folder.exists()


def test_a_page_asks_by_the_model_that_an_index_moves_to(tmp_path):
    notes, place = tmp_path / "notes", str(tmp_path / "i")
    notes.mkdir()
    towns = ("harbour", "lantern", "copper", "window", "garden", "bridge", "engine", "paper")
    for i, town in enumerate(towns * 3):
        (notes / f"{town}{i}.txt").write_text(f"The {town} of number {i} stands beside the old road.")
    run = partial(CliRunner().invoke, main, catch_exceptions=False)
    quiet = ("--quiet", "--no-ocr", "--no-speech")
    assert run(["index", str(notes), "--index", place, "--model", "hashing:64", *quiet]).exit_code == 0
    assert run(["migrate", place, "--to", "hashing:128", "--sample", "20", "--limit", "0", "--quiet"]).exit_code == 0
    index, encoder = searched(place, "hashing:128")
    with ReaderPool(Options(), workers=1) as pool:
        app = create_app(index, encoder, pool, token=TOKEN, hosts=allowed_hosts("127.0.0.1", PORT))
        headers = {"authorization": f"Bearer {TOKEN}"}
        with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers=headers) as client:
            asked = {"parts": [{"text": "The copper of number 10 stands beside the old road."}], "hybrid": False}
            found = client.post("/v1/search", json=asked).json()
            assert found["hits"][0]["name"] == "copper10.txt"
            assert any("moving to hashing:128" in note for note in found["notes"])
            assert client.get("/v1/status").json()["items"] == 24
            assert client.get("/v1/previews/none").status_code == 404
