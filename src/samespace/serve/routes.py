"""The routes of the page and its API.

    GET  /                       the page
    POST /v1/search              {"parts": [{"text" | "item" | "file": …, "weight": 1}], "kinds": [], "filter": {}}
                                 or multipart: the JSON as field `query`, files by the names its parts give
    POST /v1/query-file?name=    a file as the body → an id for some minutes
    GET  /v1/items/{id}          one item in full, with what stands around it
    GET  /v1/items/{id}/page     how its place looks, WebP; ?pixels=
    GET  /v1/items/{id}/media    its recording or film, in stretches
    GET  /v1/previews/{key}      a small picture
    GET  /v1/status              how the index stands
    GET  /healthz                the only route without a token

Searching is index/search.py, filters are index/filter.py, the door is security.py; nothing is decided here.
Imports fastapi.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from samespace import __version__
from samespace.encode.protocol import Encoder
from samespace.errors import QueryError
from samespace.read.pool import ReaderPool
from samespace.serve import ask, detail, media, wire
from samespace.serve.security import refusal
from samespace.serve.upload import QueryFile, QueryFiles

__all__ = ["BusyError", "Desk", "Gate", "router"]

_MOST_FILES, _MOST_FIELDS = 8, 8  # of one form
_ANSWER = TypeVar("_ANSWER")
router = APIRouter()


class BusyError(Exception):
    """More is asked at once than is let in; becomes 429."""


class Gate:
    """Lets a few jobs run at once in threads, a few more wait, and refuses the rest."""

    def __init__(self, running: int, waiting: int) -> None:
        self._limiter, self._most, self._inside = CapacityLimiter(running), running + waiting, 0

    async def run(self, job: Callable[[], _ANSWER]) -> _ANSWER:
        """Run a job in a thread. Raises BusyError."""
        if self._inside >= self._most:
            raise BusyError
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(job, limiter=self._limiter)
        finally:
            self._inside -= 1


@dataclass
class Desk:
    """What the routes work with."""

    index: Any  # an Index with snapshot(), status() and previews
    encoder: Encoder
    pool: ReaderPool
    asker: ask.Asker
    files: QueryFiles
    assets: Mapping[str, tuple[bytes, str, str]]
    searches: Gate = field(default_factory=lambda: Gate(running=1, waiting=7))  # a model uses all cores by itself
    pictures: Gate = field(default_factory=lambda: Gate(running=2, waiting=30))


@router.get("/healthz")
async def healthz() -> Response:
    """Alive."""
    return _json({"ok": True})


@router.get("/")
async def page(request: Request) -> Response:
    """The page's shell; everything in it comes by the API."""
    body, mime, _ = _desk(request).assets["index.html"]
    return Response(body, media_type=mime)


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A script or style of the page. Names are looked up in a table, never on a disk."""
    found = _desk(request).assets.get(name)
    if found is None or name == "index.html":
        return _unknown("file of the page")
    body, mime, mark = found
    headers = {"etag": mark, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=mime, headers=headers)


@router.get("/v1/status")
async def status(request: Request) -> Response:
    """How the index stands."""
    desk = _desk(request)
    found = await desk.pictures.run(desk.index.status)
    return _json(wire.status(found, desk.encoder.modalities, __version__))


@router.post("/v1/search")
async def search(request: Request) -> Response:
    """Find."""
    desk = _desk(request)
    wanted = await _wanted(request, desk)
    begun = time.perf_counter()
    found = await desk.searches.run(lambda: desk.asker.search(wanted))
    return _json(wire.hits(found, time.perf_counter() - begun, wanted))


@router.post("/v1/query-file")
async def query_file(request: Request, name: str = "") -> Response:
    """Keep a file for the next queries."""
    kept = await _desk(request).files.keep(request.stream(), name or "file")
    return _json({"id": kept.id, "name": kept.name, "size": kept.size})


@router.get("/v1/items/{key}")
async def item(request: Request, key: str) -> Response:
    """One item in full."""
    desk = _desk(request)

    def look() -> dict[str, Any] | None:
        view = desk.index.snapshot()
        place = detail.find(view, key)
        return detail.in_full(view, place) if place else None

    found = await desk.pictures.run(look)
    return _json(found) if found else _unknown("item")


@router.get("/v1/items/{key}/page")
async def item_page(request: Request, key: str, pixels: int = 1200) -> Response:
    """How a place looks. It is rendered in a worker process."""
    desk = _desk(request)
    side = min(max(pixels, 64), 2400)

    def render() -> bytes | None:
        place = detail.find(desk.index.snapshot(), key)
        return desk.pool.render(place.file(), place.locator, side) if place else None

    picture = await desk.pictures.run(render)
    return _webp(picture, "private, max-age=300") if picture else _unknown("item")


@router.get("/v1/items/{key}/media")
async def item_media(request: Request, key: str) -> Response:
    """A recording or film as it is, if browsers play it."""
    desk = _desk(request)
    place = await desk.pictures.run(lambda: detail.find(desk.index.snapshot(), key))
    if place is None:
        return _unknown("item")
    mime = place.data["mime"]
    if mime not in media.PLAYABLE:
        return refusal(415, f"{mime or 'this kind of file'} is not played here", "Open it with a program of your own.")
    handle = await desk.pictures.run(lambda: media.open_under(place.native, place.root))
    return media.stream(handle, mime, request.headers.get("range"))


@router.get("/v1/previews/{key}")
async def preview(request: Request, key: str) -> Response:
    """A small picture; its key is the hash of what it is, so it never changes."""
    desk = _desk(request)
    picture = await desk.pictures.run(lambda: desk.index.previews.get(key))
    return _webp(picture, "private, max-age=86400, immutable") if picture else _unknown("preview")


async def _wanted(request: Request, desk: Desk) -> wire.Search:
    """The search that a request asks for; its files are kept first, and named by their ids."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return wire.Search.of(await request.body())
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS) as form:
        query = form.get("query")
        if not isinstance(query, str):
            raise QueryError("the form has no field 'query'", "Send the search as JSON in the field 'query'.")
        uploads = {name: value for name, value in form.multi_items() if isinstance(value, UploadFile)}
        kept = {name: await _keep(desk, upload) for name, upload in uploads.items()}
    wanted = wire.Search.of(query)
    for part in wanted.parts:
        if part.file in kept:
            part.file = kept[part.file].id
    return wanted


async def _keep(desk: Desk, upload: UploadFile) -> QueryFile:
    async def chunks() -> AsyncIterator[bytes]:
        while chunk := await upload.read(1 << 20):
            yield chunk

    return await desk.files.keep(chunks(), upload.filename or "file")


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _json(data: Any) -> Response:
    return Response(wire.as_json(data), media_type="application/json")


def _webp(picture: bytes, keep: str) -> Response:
    return Response(picture, media_type="image/webp", headers={"cache-control": keep})


def _unknown(what: str) -> Response:
    return refusal(404, f"there is no such {what}", "Search again: the index may have changed.")
