"""Mail: who, to whom, when, about what, and the words. Attachments are named, not read. Also a box of many (mbox)."""

import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from pathlib import Path

from samespace.errors import ReadError
from samespace.read.charset import decode
from samespace.read.html import words
from samespace.read.opening import bounded_bytes
from samespace.read.passages import Draft
from samespace.read.protocol import Facts, Options, Passage

__all__ = ["READER", "EmlReader"]

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_BORDER = re.compile(rb"(?:\A|\r?\n\r?\n)(?=From [^\r\n]{3,200}\r?\n)")
_LONG = 4000  # characters of a header
_LENGTH_LINE = re.compile(rb"\A\s*\d+\s*\r?\n")  # what Apple Mail puts before a mail


class EmlReader:
    """EML, MHTML, mbox."""

    name = "eml"
    version = 1
    mimes = frozenset({"message/rfc822", "application/mbox"})

    def read(self, path: Path, mime: str, options: Options) -> Iterator[Passage | Facts]:
        """Yield passages mail by mail, then Facts."""
        data = bounded_bytes(path, options.limits.unpacked_bytes, "mail")
        draft = Draft(path, mime, options, f"{self.name}/{self.version}")
        title: str | None = None
        for count, raw in enumerate(_mails(data) if mime == "application/mbox" else [data], 1):
            mail = BytesParser(policy=policy.default).parsebytes(_LENGTH_LINE.sub(b"", raw, count=1))
            _cut_headers(mail, options.limits.nesting)
            title = title or _header(mail, "Subject")
            head = "\n".join(f"{name}: {value}" for name in _HEADERS if (value := _header(mail, name)))
            body = "\n\n".join(_bodies(mail, draft))
            yield from draft.text(f"{head}\n\n{body}\n\n")
            draft.meta["mails"] = count
        if mime != "application/mbox":
            draft.meta.pop("mails", None)
            draft.meta.update(
                {k: v for k, v in (("author", _header(mail, "From")), ("date", _header(mail, "Date"))) if v}
            )
        yield draft.facts(title=title)


def _cut_headers(mail: EmailMessage, nesting: int) -> None:
    """Shorten what is too long for the library, whose time grows with its square. Raises ReadError if nested deeply."""
    level: list[MIMEPart] = [mail]
    for _ in range(nesting):
        for part in level:
            part._headers = [(k, v[:_LONG]) for k, v in part._headers]  # type: ignore[attr-defined]
        payloads = [part.get_payload() for part in level if part.is_multipart()]
        level = [inner for payload in payloads for inner in payload if isinstance(inner, MIMEPart)]
        if not level:
            return
    raise ReadError("decode", f"mails within mails, more than {nesting} levels", "Open and save it with a mail program")


def _mails(data: bytes) -> Iterator[bytes]:
    """The mails of a box, without the line that parts them."""
    starts = [m.end() for m in _BORDER.finditer(data)]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        yield data[start:end].partition(b"\n")[2]


def _header(mail: MIMEPart, name: str) -> str | None:
    """A header as text; None if it is absent. The library gives up on some that are malformed: then as it stands."""
    try:
        value = mail.get(name)
    except Exception:
        value = next((v for k, v in mail._headers if k.lower() == name.lower()), None)  # type: ignore[attr-defined]
    return " ".join(str(value).split())[:2000] or None if value is not None else None


def _bodies(mail: EmailMessage, draft: Draft) -> Iterator[str]:
    """The words of a mail and of the mails within it; of two forms of the same words, the plain one."""
    skip: set[int] = set()
    for part in mail.walk():
        if id(part) in skip or part.is_multipart():
            if part.get_content_subtype() == "alternative":
                skip |= _lesser_forms(part)
            if part is not mail and part.get_content_type() == "message/rfc822":
                yield from (f"Subject: {s}" for inner in part.iter_parts() if (s := _header(inner, "Subject")))
            continue
        kind, name = part.get_content_type(), part.get_filename()
        if part.get_content_maintype() != "text" or part.is_attachment():
            draft.note(f"attachment not read: {name or 'without a name'} ({kind})")
            if name:
                yield f"Attachment: {name}"
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        if kind == "text/html":
            yield words(payload, part.get_content_charset()).text
        else:
            yield decode(payload, part.get_content_charset())[0].strip()


def _lesser_forms(part: MIMEPart) -> set[int]:
    """Which parts of an alternative to leave out: all HTML ones if there is a plain one with words."""
    forms = list(part.iter_parts())
    plain = [p for p in forms if p.get_content_type() == "text/plain" and str(p.get_payload()).strip()]
    return {id(p) for p in forms if p not in plain and p.get_content_type() == "text/html"} if plain else set()


READER = EmlReader()
