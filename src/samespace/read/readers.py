"""Media type → Reader: the built-in table, and plugins of the entry-point group samespace.readers.

A built-in is named by its module, which is imported when a file of its kind comes, not before. Each has READER.
A plugin is a Reader (or a callable without arguments that gives one) and goes before the built-ins.

Knows nothing of files. Imports protocol and registry.
"""

from functools import cache
from importlib import import_module
from typing import NamedTuple

from samespace import registry
from samespace.errors import FailureClass, ReadError
from samespace.read.protocol import Reader

__all__ = ["find", "label"]

_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_MODULES = {
    "text/plain": "text",
    "text/x-source": "text",
    "text/vtt": "text",
    "application/x-subrip": "text",
    "text/markdown": "markdown",
    "text/html": "html",
    "application/xml": "xml",
    "image/svg+xml": "xml",
    "text/csv": "table",
    "text/tab-separated-values": "table",
    "application/json": "tree",
    "application/jsonl": "tree",
    "application/rtf": "rtf",
    "message/rfc822": "eml",
    "application/mbox": "eml",
    "application/epub+zip": "epub",
    f"{_OOXML}wordprocessingml.document": "docx",
    f"{_OOXML}presentationml.presentation": "pptx",
    f"{_OOXML}spreadsheetml.sheet": "xlsx",
    f"{_ODF}text": "odf",
    f"{_ODF}text-template": "odf",
    f"{_ODF}spreadsheet": "odf",
    f"{_ODF}spreadsheet-template": "odf",
    f"{_ODF}presentation": "odf",
    f"{_ODF}presentation-template": "odf",
    f"{_ODF}graphics": "odf",
    "application/pdf": "pdf",
}
_FAMILIES = {"image": "image", "audio": "audio", "video": "video"}


class _Refusal(NamedTuple):
    """Why a known media type is not read."""

    failure: FailureClass
    reason: str
    mend: str


_ARCHIVE = _Refusal("unsupported", "an archive ({mime})", "Unpack it, and index the folder")
_OLD_OFFICE = _Refusal("unsupported", "an old office format ({mime})", "Save it as .docx, .xlsx, .pptx or .pdf")
_REFUSALS = {
    "application/x-encrypted-office": _Refusal(
        "encrypted", "an office file under a password", "Save a copy without a password"
    ),
    **dict.fromkeys(
        (
            "application/zip",
            "application/gzip",
            "application/x-bzip2",
            "application/x-xz",
            "application/zstd",
            "application/x-7z-compressed",
            "application/vnd.rar",
            "application/vnd.ms-cab-compressed",
            "application/x-archive",
            "application/x-tar",
        ),
        _ARCHIVE,
    ),
    **dict.fromkeys(
        (
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.ms-outlook",
            "application/vnd.visio",
            "application/x-hwp",
            "application/x-ole-storage",
            "application/vnd.ms-excel.sheet.binary.macroenabled.12",
        ),
        _OLD_OFFICE,
    ),
}


def find(mime: str) -> Reader:
    """The Reader of a media type.

    Raises:
        ReadError: unsupported (or encrypted), with what to do instead.
    """
    plugins, broken = _plugins()
    for plugin in plugins:
        if mime in plugin.mimes:
            return plugin
    module = _MODULES.get(mime) or _FAMILIES.get(mime.partition("/")[0])
    if module is not None:
        return _builtin(module)
    if mime in _REFUSALS:
        refusal = _REFUSALS[mime]
        raise ReadError(refusal.failure, refusal.reason.format(mime=mime), refusal.mend)
    what = "of a format that is not known" if mime == "application/octet-stream" else f"{mime} is not read"
    mend = "Convert it, or install a reader plugin (entry point samespace.readers)"
    raise ReadError("unsupported", what, "; ".join([mend, *broken]))


def label(mime: str) -> str | None:
    """Name and version of the Reader of a media type, as Facts.reader has it; None if nothing reads it."""
    try:
        reader = find(mime)
    except ReadError:
        return None
    return f"{reader.name}/{reader.version}"


def _builtin(module: str) -> Reader:
    try:
        found: Reader = import_module(f"samespace.read.{module}").READER
    except ImportError as err:
        raise ReadError(
            "unsupported",
            f"reading this needs the package {err.name or err}",
            "Install it: pip install 'samespace[read]'",
        ) from err
    return found


@cache
def _plugins() -> tuple[tuple[Reader, ...], tuple[str, ...]]:
    """The plugins that load, and a line about each that does not: a broken one must not stop the others."""
    good: list[Reader] = []
    bad: list[str] = []
    for name in registry.names("readers"):
        try:
            made = registry.load("readers", name)
            made = made if isinstance(made, Reader) and not isinstance(made, type) else made()
            if not isinstance(made, Reader):
                raise TypeError("it is no Reader")
            good.append(made)
        except Exception as err:
            bad.append(f"the reader plugin {name!r} cannot be used: {err}")
    return tuple(good), tuple(bad)
