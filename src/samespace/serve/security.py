"""The door of the page: who may come in, and what a browser may do with the answers.

One ASGI layer before every route. A request must name this server (Host, with its port), know the token (cookie,
`Authorization: Bearer`, or once in the address), come from the page itself where a browser says from where it comes,
and stay under the body limit while it streams. Every answer carries the same strict headers.

Knows nothing of searching, items or files. Imports starlette.
"""

import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Collection, Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samespace.errors import ServeError

__all__ = ["BODY_LIMIT", "Guard", "allowed_hosts", "check_exposure", "check_token", "is_loopback", "refusal"]

BODY_LIMIT = 64 << 20  # bytes of one request
_OPEN = frozenset({"/healthz"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
_STRANGER = """<!doctype html><html lang="en"><meta charset="utf-8"><title>samespace</title>
<h1>This page needs its token</h1>
<p>Open the whole address that <code>samespace serve</code> printed, or <a href="/">try again</a>.</p></html>"""


class _BodyTooBigError(Exception):
    """The body went over the limit while it streamed; never leaves this module."""


def refusal(status: int, message: str, mend: str, headers: dict[str, str] | None = None) -> Response:
    """An error as every route gives it: {"error": {"message", "mend"}}."""
    body = json.dumps({"error": {"message": message, "mend": mend}}, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json", headers=_HEADERS | (headers or {}))


def is_loopback(host: str) -> bool:
    """Whether a name or address stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_token(token: str | None) -> str:
    """The token given, or a new one of 256 random bits. Raises ServeError if the given one is weak."""
    if token is None:
        return secrets.token_urlsafe(32)
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", token):
        raise ServeError(
            "the token has fewer than 16 letters, or others than A-Z a-z 0-9 - _",
            "Leave --token out and one is made, or: --token $(openssl rand -hex 32)",
        )
    return token


def check_exposure(host: str, token: str | None, insecure: bool) -> None:
    """Raise ServeError if others on the network could reach the page and nobody said that they should."""
    if not (is_loopback(host) or token or insecure):
        raise ServeError(
            f"{host} can be reached by other machines, and no token was given",
            "Give one: --token $(openssl rand -hex 32) (or --insecure for a made one); or stay with --host 127.0.0.1",
        )


def allowed_hosts(host: str, port: int, names: Iterable[str] = ()) -> frozenset[str]:
    """What a Host header may say: the ways to name this server, with its exact port."""
    loopback = {"127.0.0.1", "localhost", "[::1]"}
    known = loopback if is_loopback(host) else loopback | {_bracketed(host)}
    known = known | {_bracketed(name) for name in names}
    ports = {f":{port}"} | ({""} if port == 80 else set())  # browsers leave :80 out
    return frozenset(f"{name.lower()}{tail}" for name in known for tail in ports)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Guard:
    """The layer itself."""

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str], body_limit: int = BODY_LIMIT) -> None:
        self.app, self.hosts, self.body_limit = app, frozenset(hosts), body_limit
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(scope)
        if answer is not None:
            return await answer(scope, receive, dressed)
        try:
            await self.app(scope, self._counted(receive), dressed)
        except _BodyTooBigError:
            if not started:
                await self._too_big()(scope, receive, dressed)

    def _answer(self, scope: Scope) -> Response | None:
        """A refusal or a redirect, or None: come in."""
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        if len(named) != 1 or named[0].lower() not in self.hosts:
            return refusal(421, "this server does not go by that name", "Use the address that it printed.")
        if scope["path"] in _OPEN:
            return None
        if not self._own_page(scope, headers, named[0]):
            return refusal(403, "the request comes from another site", "Use the page itself, or a client of your own.")
        if scope["path"] == "/" and scope["method"] in _SAFE_METHODS:
            entering = self._enter(scope, named[0])
            if entering is not None:
                return entering
        if not self._known(headers, named[0]):
            return self._stranger(headers)
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return refusal(400, "the length of the request is no number", "Use a proper HTTP client.")
        return self._too_big() if int(length) > self.body_limit else None

    @staticmethod
    def _own_page(scope: Scope, headers: Headers, host: str) -> bool:
        """Browsers say where a request comes from; others send neither header and have no cookie to steal."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none"):
            return True
        if site is not None:  # a link from elsewhere may lead to the page, and to nothing else
            return scope["path"] == "/" and scope["method"] in _SAFE_METHODS
        if scope["method"] in _SAFE_METHODS:
            return True
        return origin is None or origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")

    def _enter(self, scope: Scope, host: str) -> Response | None:
        """A right token in the address becomes a cookie, and leaves the address."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in pairs if name == "token"]
        if not tokens:
            return None
        if not self._same(tokens[0]):
            return self._stranger(Headers(scope=scope))
        rest = urlencode([(name, value) for name, value in pairs if name != "token"])
        answer = RedirectResponse(f"/?{rest}" if rest else "/", 303)
        answer.set_cookie(_cookie_name(host), tokens[0], path="/", httponly=True, samesite="strict")
        return answer

    def _known(self, headers: Headers, host: str) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._same(bearer.strip())
        try:
            jar = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        morsel = jar.get(_cookie_name(host))
        return morsel is not None and self._same(morsel.value)

    def _same(self, token: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    @staticmethod
    def _stranger(headers: Headers) -> Response:
        if "text/html" in headers.get("accept", ""):
            return HTMLResponse(_STRANGER, 401)
        return refusal(
            401,
            "the token is missing or wrong",
            "Send it: Authorization: Bearer TOKEN, or open the address that `samespace serve` printed.",
            {"www-authenticate": "Bearer"},
        )

    def _too_big(self) -> Response:
        limit = f"{self.body_limit / (1 << 20):g} MB"
        return refusal(413, f"the request is larger than {limit}", "Use a smaller file.", {"connection": "close"})

    def _counted(self, receive: Receive) -> Receive:
        """Count the body as it comes; what the client claims about its length is not believed."""
        seen = 0

        async def counting() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.body_limit:
                    raise _BodyTooBigError
            return message

        return counting


def _cookie_name(host: str) -> str:
    """Cookies are shared by all ports of a machine, so the port is in the name."""
    port = host.rpartition(":")[2]
    return f"samespace-{port if port.isdigit() else '80'}"
