"""XLSX: a sheet is a page; its rows as text, values as they were last calculated (openpyxl, read-only)."""

import datetime
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from samespace.errors import ReadError
from samespace.read import rows
from samespace.read.archive import Archive
from samespace.read.office import properties
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "XlsxReader"]


class XlsxReader:
    """XLSX, XLSM, XLTX, XLTM."""

    name = "xlsx"
    version = 1
    mimes = frozenset({"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages sheet by sheet, then Facts."""
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        with Archive(path, options.limits.unpacked_bytes) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which we do not read
            title = properties(archive, draft)
            book = _book(archive)
            try:
                for sheet in book.worksheets:
                    yield from _sheet(draft, sheet)
                draft.meta["pages"] = draft.pages
                yield draft.facts("page", title=title)
            finally:
                book.close()


def _book(archive: Archive) -> Any:
    """The workbook, its sheets not yet read. Raises ReadError for whatever the library stumbles over."""
    import openpyxl

    try:
        return openpyxl.load_workbook(archive.whole(), read_only=True, data_only=True, keep_links=False)
    except (ReadError, MemoryError, RecursionError):
        raise
    except Exception as err:
        why = (str(err).splitlines() or [""])[0][:200]
        raise ReadError(
            "decode", f"a damaged workbook ({type(err).__name__}: {why})", "Open and save it with its program"
        ) from err


def _sheet(draft: Draft, sheet: Any) -> Iterator[Passage]:
    """The passages of one sheet; its name goes before the first of them."""
    page = draft.page()
    try:
        sheet.reset_dimensions()  # it may claim a million rows
        named = (
            [((str(sheet.title),), None)]
            if not str(sheet.title).lower().startswith(("sheet", "tabelle", "feuil"))
            else []
        )
        for found in rows.passages(
            draft, ((_cells(r), None) for r in sheet.iter_rows(values_only=True)), page=page, kind="page"
        ):
            if named:
                yield draft.passage(str(sheet.title), None, page=page, kind="page")
                named = []
            yield found
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as err:
        if isinstance(err, ReadError):
            raise
        draft.note(f"sheet {sheet.title!r} is damaged: {type(err).__name__}: {err}")


def _cells(values: Sequence[Any]) -> list[str]:
    """Values as a person would write them."""
    return ["" if v is None else _cell(v) for v in values]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "minutes").removesuffix(" 00:00")
    return str(value)


READER = XlsxReader()
