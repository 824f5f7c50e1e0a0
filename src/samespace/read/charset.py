"""Bytes to characters when nobody says which charset they are in.

Knows nothing of formats. Imports the standard library; charset-normalizer when nothing simpler fits.
"""

import codecs
import re

from samespace.errors import MissingExtraError

__all__ = ["clean", "decode", "looks_like_text"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 << 10  # bytes that decide; more make the guess slow, not better
_CONTROL = bytes({*range(32), 127} - {7, 8, 9, 10, 12, 13, 27})  # what no plain text has
_GUESSED = (  # charsets in real use; of more, some always fits better by chance
    *(f"cp{n}" for n in (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 437, 850, 866, 874)),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "koi8_r", "koi8_u", "mac_roman", "iso2022_jp"),
    *("iso8859_2", "iso8859_5", "iso8859_7", "iso8859_15"),
)
_UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


def clean(text: str) -> str:
    """Put a space where a control character or half a surrogate pair stands: the length stays, indices hold."""
    return _UNWANTED.sub(" ", text)


def _utf16_without_mark(data: bytes) -> str | None:
    """UTF-16 of mostly Latin text has zeros at every other place."""
    head = data[:4096]
    if len(head) < 8:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > 0.4 * half and even < 0.02 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.02 * half else None


def _is_utf8(head: bytes) -> bool:
    """Whether a head of a file is UTF-8; its last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _is_prose(head: bytes, charset: str) -> bool:
    """Whether nearly all of it is characters that are printed: what is no text rarely decodes to those."""
    sample = head.decode(charset, "replace")[:-1] or head.decode(charset, "replace")
    return sum((c.isprintable() and c != "\ufffd") or c.isspace() for c in sample) >= 0.97 * len(sample)


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file could be plain text in some charset."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return _is_prose(head[len(mark) :], name)
    wide = _utf16_without_mark(head)
    if wide is not None:
        return _is_prose(head, wide)
    controls = len(head) - len(head.translate(None, _CONTROL))
    if _is_utf8(head):
        return controls <= 0.005 * len(head)
    # A charset of the eight-bit days: hardly a control, and letters must outweigh the rest.
    high = sum(b >= 0x80 for b in head)
    plain = sum(b in b" \t\r\n" or 48 <= b <= 57 or 65 <= b <= 90 or 97 <= b <= 122 for b in head)
    return controls == 0 and high + plain > 0.6 * len(head) and len(head) >= 8


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """Turn bytes into cleaned text.

    Args:
        data: the whole content.
        declared: the charset it claims to be in; believed if it fits.

    Returns:
        The text, and the name of the charset: by its mark, as declared, UTF-8, UTF-16 by its zeros, or guessed.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return clean(data[len(mark) :].decode(name, "replace")), name
    for name in dict.fromkeys(filter(None, (_known(declared), _utf16_without_mark(data), "utf-8"))):
        try:
            return clean(data.decode(name)), name
        except UnicodeDecodeError:
            continue
    name = _guess(data)
    return clean(data.decode(name, "replace")), name


def _known(name: str | None) -> str | None:
    """The name if Python has that charset and it is one of text; HTML's latin-1 means cp1252."""
    try:
        found = codecs.lookup(name or "")
    except (LookupError, ValueError):
        return None
    if not found._is_text_encoding:
        return None
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030"}.get(found.name, found.name)


def _guess(data: bytes) -> str:
    """The likeliest charset, by a sample of lines that have more than ASCII in them."""
    try:
        from charset_normalizer import from_bytes
    except ImportError as err:
        raise MissingExtraError("text that is not UTF-8", "charset-normalizer", "read") from err
    lines = [line for line in data[: 8 * _SAMPLE].splitlines() if not line.isascii()]
    best = from_bytes(b"\n".join(lines)[:_SAMPLE] or data[:_SAMPLE], cp_isolation=list(_GUESSED)).best()
    return best.encoding if best is not None else "cp1252"
