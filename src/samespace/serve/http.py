"""The page: an app over an open index, and the process that serves it to one person on this machine.

Knows nothing of how a search is made. Imports fastapi; uvicorn where it is used.
"""

import asyncio
import hashlib
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, select_autoescape
from starlette.exceptions import HTTPException
from starlette.responses import Response

from samespace import __version__
from samespace.encode.protocol import Encoder
from samespace.errors import ReadError, SamespaceError, ServeError
from samespace.read.pool import ReaderPool
from samespace.serve.ask import Asker
from samespace.serve.routes import BusyError, Desk, router
from samespace.serve.security import Guard, allowed_hosts, check_exposure, check_token, refusal
from samespace.serve.upload import QueryFiles
from samespace.serve.wire import Search

__all__ = ["create_app", "run"]

_SWEEP = 30.0  # seconds between looks for query files that are over their time
_MIMES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def create_app(
    index: Any, encoder: Encoder, pool: ReaderPool, *, token: str, hosts: Collection[str], warm: bool = False
) -> FastAPI:
    """The page over an open index.

    Args:
        index: a FlatIndex, a LanceIndex, or a Moving one.
        encoder: of the index's Space.
        pool: reads query files and renders places; the caller closes it after the app.
        token: who knows it may come in.
        hosts: what the Host header may say, with the exact port (security.allowed_hosts).
        warm: measure the collection at the start, so that the first search need not.
    """
    files = QueryFiles()
    desk = Desk(index, encoder, pool, Asker(index, encoder, pool, files), files, _assets())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_sweep(files))]
        if warm:
            tasks.append(asyncio.create_task(_warm(desk)))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        files.close()

    app = FastAPI(
        title="samespace", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=life
    )
    app.state.desk = desk
    app.include_router(router)
    app.add_middleware(Guard, token=token, hosts=hosts)
    app.add_exception_handler(SamespaceError, _mended)
    app.add_exception_handler(BusyError, _busy)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(Exception, _broken)
    return app


def run(
    index_uri: str,
    *,
    host: str = "127.0.0.1",
    port: int = 7700,
    token: str | None = None,
    open_browser: bool = True,
    insecure: bool = False,
    names: Sequence[str] = (),
    model: str | None = None,
    hot: bool = False,
) -> None:
    """Serve the page of an index until Ctrl-C.

    Args:
        index_uri: where the index is.
        host: address to listen on; another than this machine's own needs a token, or `insecure`.
        port: 0 = any that is free.
        token: None = make one.
        open_browser: show the page.
        insecure: listen for other machines with a made token.
        names: further names by which the server may be called.
        model: that the index is moving to, to ask by it already; None = its own.
        hot: search through a copy in RAM, which may miss a few rows, for many queries at a time.

    Raises:
        MissingExtraError: `hot` needs faiss.
        StoreError: the index is not of that model, and not moving there.
        ServeError: the address cannot be used, or should not.
    """
    check_exposure(host, token, insecure)
    token = check_token(token)
    with _listen(host, port) as listener:
        _serve(index_uri, _Door(listener, host, token, names), open_browser, model, hot)


@dataclass(frozen=True)
class _Door:
    """Where the page is, and who may come in."""

    listener: socket.socket
    host: str
    token: str
    names: Sequence[str]

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        own = self.host in ("0.0.0.0", "localhost")  # noqa: S104
        shown = "127.0.0.1" if own else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}/?token={self.token}"

    @property
    def hosts(self) -> Collection[str]:
        return allowed_hosts(self.host, self.port, self.names)


def _serve(index_uri: str, door: _Door, open_browser: bool, model: str | None, hot: bool) -> None:
    import uvicorn

    from samespace.index.hot import HotIndex
    from samespace.read.protocol import Options
    from samespace.serve.session import searched

    opened, encoder = searched(index_uri, model)
    index = HotIndex(opened) if hot else opened
    with ReaderPool(Options(wants=encoder.modalities)) as pool:
        app = create_app(index, encoder, pool, token=door.token, hosts=door.hosts, warm=True)
        print(f"The page of {index_uri} is at\n  {door.url}\nStop it with Ctrl-C.", file=sys.stderr, flush=True)  # noqa: T201
        # No access log: it would write the token, and what was searched for.
        config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=3)
        if open_browser:
            threading.Timer(0.6, webbrowser.open, (door.url,)).start()
        uvicorn.Server(config).run(sockets=[door.listener])


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(found[0], found[1])
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(found[4])
            listener.listen(128)
        except BaseException:
            listener.close()
            raise
        return listener
    except OSError as err:
        raise ServeError(f"cannot listen on {host}:{port} ({err.strerror})", "Take any free port: --port 0") from err


async def _sweep(files: QueryFiles) -> None:
    while True:
        await asyncio.sleep(_SWEEP)
        files.sweep()


async def _warm(desk: Desk) -> None:
    with suppress(SamespaceError):
        await desk.searches.run(lambda: desk.asker.search(Search.of('{"parts": [{"text": "samespace"}], "k": 1}')))


def _assets() -> dict[str, tuple[bytes, str, str]]:
    """Name → bytes, type and mark of all that the page is made of, read once."""
    folder = resources.files("samespace.serve") / "page"
    made = {}
    for entry in folder.iterdir():
        mime = _MIMES.get("." + entry.name.rpartition(".")[2])
        if mime:
            body = entry.read_bytes()
            made[entry.name] = body, mime, f'"{hashlib.blake2b(body, digest_size=8).hexdigest()}"'
    shell = Environment(autoescape=select_autoescape(default=True)).from_string(
        (folder / "index.html.jinja").read_text("utf-8")
    )
    made["index.html"] = shell.render(version=__version__).encode(), "text/html", ""
    return made


async def _mended(request: Request, err: Exception) -> Response:
    """Our errors, at this one place: the fact and the mend."""
    message, _, mend = str(err).partition("\n")
    gone = isinstance(err, ReadError) and err.failure == "vanished"
    return refusal(404 if gone else 422, message, mend)


async def _busy(request: Request, err: Exception) -> Response:
    return refusal(429, "too many requests at once", "Try again in a moment.", {"retry-after": "1"})


async def _plain(request: Request, err: Exception) -> Response:
    assert isinstance(err, HTTPException)
    return refusal(err.status_code, str(err.detail), "See docs/page.md for what can be asked.", dict(err.headers or {}))


async def _unfit(request: Request, err: Exception) -> Response:
    assert isinstance(err, RequestValidationError)
    names = ", ".join(str(e["loc"][-1]) for e in err.errors())
    return refusal(422, f"not a valid value: {names}", "See docs/page.md for what can be asked.")


async def _broken(request: Request, err: Exception) -> Response:
    """A fault of ours. Its traceback goes to the log, with no address, token or query in it."""
    return refusal(500, f"samespace failed ({type(err).__name__})", "Look at the terminal where it runs; report it.")
