"""The door: who is let in, by which name, from where, and what every answer carries."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from samespace.errors import ServeError
from samespace.serve.security import Guard, allowed_hosts, check_exposure, check_token, is_loopback

TOKEN = "t0ken-of-the-test_0123456789"
HOST = "127.0.0.1:7700"


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {len(await request.body())}")


def _app() -> Starlette:
    app = Starlette(routes=[Route("/{rest:path}", _echo, methods=["GET", "POST", "PUT", "DELETE"])])
    app.add_middleware(Guard, token=TOKEN, hosts=allowed_hosts("127.0.0.1", 7700), body_limit=1000)
    return app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(_app(), base_url=f"http://{HOST}", follow_redirects=False) as made:
        yield made


BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "path",
    ["/", "/static/app.js", "/v1/search", "/v1/items/a", "/v1/previews/a", "/v1/status", "/docs", "/openapi.json"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_every_route_needs_the_token(client: TestClient, path: str, method: str) -> None:
    assert client.request(method, path).status_code == 401
    assert client.request(method, path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.request(method, path, headers={"cookie": "samespace-7700=wrong"}).status_code == 401
    assert client.request(method, path, headers=BEARER).status_code == 200


def test_only_the_health_check_is_open(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz/").status_code == 401
    assert client.get("/healthzz").status_code == 401


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address(client: TestClient) -> None:
    answer = client.get(f"/?q=red+bag&token={TOKEN}&kind=image")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?q=red+bag&kind=image"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"samespace-7700={TOKEN};")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert client.get("/").status_code == 200, "the cookie alone is enough now"
    assert client.get("/", headers={"cookie": ""}).status_code in (200, 401)


def test_a_wrong_token_in_the_address_sets_nothing(client: TestClient) -> None:
    answer = client.get("/?token=wrong", headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "samespace serve" in answer.text


def test_the_token_in_the_address_opens_nothing_but_the_page(client: TestClient) -> None:
    assert client.get(f"/v1/status?token={TOKEN}").status_code == 401


def test_the_cookie_of_another_port_does_not_count(client: TestClient) -> None:
    assert client.get("/", headers={"cookie": f"samespace-7701={TOKEN}"}).status_code == 401
    assert client.get("/", headers={"cookie": f"samespace-7700={TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example:7700", "127.0.0.1", "127.0.0.1:7701", "localhost.evil.example:7700", "0.0.0.0:7700", ""]
)
def test_another_name_is_refused_before_anything_else(client: TestClient, host: str) -> None:
    answer = client.get("/healthz", headers={"host": host} | BEARER)
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:7700", "localhost:7700", "LOCALHOST:7700", "[::1]:7700"])
def test_its_own_names_are_accepted(client: TestClient, host: str) -> None:
    assert client.get("/v1/status", headers={"host": host} | BEARER).status_code == 200


def test_two_host_headers_are_refused() -> None:
    sent = asyncio.run(_raw([(b"host", HOST.encode()), (b"host", b"evil.example")]))
    assert sent[0]["status"] == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": f"http://{HOST}"}, 200),
        ({"origin": "http://127.0.0.1:8000"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_a_write_from_another_site_is_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/v1/search", headers=headers | BEARER).status_code == status


def test_another_site_may_link_to_the_page_and_load_nothing(client: TestClient) -> None:
    cross = {"sec-fetch-site": "cross-site"} | BEARER
    assert client.get("/", headers=cross).status_code == 200
    assert client.get("/v1/previews/aa", headers=cross).status_code == 403
    assert client.get("/static/app.js", headers=cross).status_code == 403


def test_every_answer_carries_the_headers(client: TestClient) -> None:
    for answer in (
        client.get("/healthz"),
        client.get("/"),
        client.get("/", headers=BEARER),
        client.get("/", headers={"host": "x"}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        rules = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
        assert rules == {
            "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' blob:",
            "media-src": "'self'", "connect-src": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'",
            "form-action": "'self'",
        }  # fmt: skip
        assert "access-control-allow-origin" not in answer.headers


def test_a_body_over_the_limit_is_refused_by_its_claim_and_by_its_bytes(client: TestClient) -> None:
    assert client.post("/v1/search", headers=BEARER, content=b"x" * 1000).text == "POST 1000"
    claimed = client.post("/v1/search", headers=BEARER, content=b"x" * 1001)
    assert claimed.status_code == 413
    streamed = client.post("/v1/search", headers=BEARER, content=iter([b"x" * 600, b"x" * 600]))
    assert streamed.status_code == 413
    assert "larger" in streamed.json()["error"]["message"]


def test_reading_stops_at_the_limit() -> None:
    """The server takes in no more than the limit and one piece, whatever is sent."""
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    sent = asyncio.run(_raw([(b"host", HOST.encode()), (b"authorization", BEARER["authorization"].encode())], receive))
    assert sent[0]["status"] == 413
    assert taken == 3


def test_a_nonsense_length_is_no_server_error() -> None:
    sent = asyncio.run(
        _raw(
            [
                (b"host", HOST.encode()),
                (b"authorization", BEARER["authorization"].encode()),
                (b"content-length", b"many"),
            ]
        )
    )
    assert sent[0]["status"] == 400


async def _raw(headers: list[tuple[bytes, bytes]], receive: Any = None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def nothing() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/search", "raw_path": b"/v1/search", "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 7700),
        "client": ("127.0.0.1", 1),
    }  # fmt: skip
    await _app()(scope, receive or nothing, send)
    return sent


def test_web_sockets_are_closed(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect(f"ws://{HOST}/", headers=BEARER):
        pass
    assert caught.value.code == 1008


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_what_stays_on_this_machine(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside


def test_the_network_is_served_only_on_purpose() -> None:
    with pytest.raises(ServeError, match="--token"):
        check_exposure("0.0.0.0", None, insecure=False)
    check_exposure("0.0.0.0", "a" * 32, insecure=False)
    check_exposure("0.0.0.0", None, insecure=True)
    check_exposure("127.0.0.1", None, insecure=False)


def test_tokens() -> None:
    first, second = check_token(None), check_token(None)
    assert first != second
    assert len(first) >= 43
    assert check_token("a" * 16) == "a" * 16
    for weak in ("", "short", "a" * 15, "a" * 20 + ";", "a b" * 10, "ü" * 20):
        with pytest.raises(ServeError, match="--token"):
            check_token(weak)


def test_names_by_which_it_goes() -> None:
    assert allowed_hosts("127.0.0.1", 7700) == {"127.0.0.1:7700", "localhost:7700", "[::1]:7700"}
    assert "box.lan:7700" in allowed_hosts("0.0.0.0", 7700, ["Box.lan"])
    assert "[fe80::1]:7700" in allowed_hosts("fe80::1", 7700)
    assert "localhost" in allowed_hosts("127.0.0.1", 80)
