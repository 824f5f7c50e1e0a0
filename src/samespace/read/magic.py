"""The first bytes of formats that are not plain text.

Knows nothing of files or Readers. Imports the standard library only.
"""

import re

__all__ = ["match", "weak_match"]

# (offset, bytes, media type); the first that fits counts.
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"II+\x00", "image/tiff"),
    (0, b"MM\x00+", "image/tiff"),
    (0, b"IIRO", "image/x-raw"),
    (0, b"IIU\x00", "image/x-raw"),
    (0, b"FUJIFILMCCD-RAW", "image/x-raw"),
    (0, b"8BPS\x00\x01", "image/vnd.adobe.photoshop"),
    (0, b"8BPS\x00\x02", "image/vnd.adobe.photoshop"),
    (0, b"qoif", "image/qoi"),
    (0, b"DDS ", "image/vnd-ms.dds"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/j2c"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (0, b"\x76\x2f\x31\x01", "image/x-exr"),
    (0, b"#?RADIANCE", "image/vnd.radiance"),
    (0, b"#?RGBE", "image/vnd.radiance"),
    (0, b"farbfeld", "image/x-farbfeld"),
    (0, b"icns", "image/icns"),
    (0, b"\x59\xa6\x6a\x95", "image/x-sun-raster"),
    (0, b"\xb1\x68\xde\x3a", "image/x-dcx"),
    (0, b"SIMPLE  =", "image/fits"),
    (0, b"BLP1", "image/x-blp"),
    (0, b"BLP2", "image/x-blp"),
    (0, b"FTC\x00", "image/x-ftex"),
    (0, b"FTEX", "image/x-ftex"),
    (0, b"BPG\xfb", "image/bpg"),
    (0, b"\x8aMNG\r\n\x1a\n", "video/x-mng"),
    (0, b"/* XPM */", "image/x-xpixmap"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\xc5\xd0\xd3\xc6", "application/postscript"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"PK\x07\x08", "application/zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"RE~^", "application/vnd.rar"),
    (0, b"MSCF", "application/vnd.ms-cab-compressed"),
    (0, b"!<arch>\n", "application/x-archive"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (0, b"\xce\xfa\xed\xfe", "application/x-executable"),
    (0, b"\xca\xfe\xba\xbe", "application/x-executable"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"ITSF\x03\x00", "application/vnd.ms-htmlhelp"),
    (0, b"AT&TFORM", "image/vnd.djvu"),
    (0, b"bplist", "application/x-bplist"),
    (0, b"\xd7\xcd\xc6\x9a", "image/wmf"),
    (40, b" EMF", "image/emf"),
    (0, b"FWS", "application/x-shockwave-flash"),
    (0, b"CWS", "application/x-shockwave-flash"),
    (0, b"ZWS", "application/x-shockwave-flash"),
    (0, b"\x00\x01\x00\x00\x00", "font/ttf"),
    (0, b"OTTO\x00", "font/otf"),
    (0, b"true\x00", "font/ttf"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\x01fcp", "font/pcf"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"ARROW1\x00\x00", "application/vnd.apache.arrow.file"),
    (128, b"DICM", "application/dicom"),
    (0, b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (0, b"GRIB", "application/x-grib"),
    (0, b"BUFR", "application/x-bufr"),
    (0, b"!BDN", "application/vnd.ms-outlook-pst"),
    (0, b"fLaC", "audio/flac"),
    (0, b"MThd", "audio/midi"),
    (0, b"#!AMR", "audio/amr"),
    (0, b".snd", "audio/basic"),
    (0, b"caff\x00", "audio/x-caf"),
    (0, b"wvpk", "audio/x-wavpack"),
    (0, b"MAC ", "audio/x-ape"),
    (0, b"TTA1", "audio/x-tta"),
    (0, b"OggS", "application/ogg"),
    (0, b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (4, b"ftyp", "video/mp4"),
    (4, b"moov", "video/mp4"),
    (4, b"mdat", "video/mp4"),
)
_RIFF = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp", b"RMID": "audio/midi"}
_NETPBM = re.compile(rb"^P[1-7fF](?:[ \t\r\n]|#)")
_PBM = {
    b"1": "image/x-portable-bitmap",
    b"4": "image/x-portable-bitmap",
    b"2": "image/x-portable-graymap",
    b"5": "image/x-portable-graymap",
    b"3": "image/x-portable-pixmap",
    b"6": "image/x-portable-pixmap",
    b"7": "image/x-portable-arbitrarymap",
}
_RAW_SUFFIXES = frozenset({".nef", ".arw", ".cr2", ".dng", ".orf", ".rw2", ".pef", ".srw", ".raf", ".3fr", ".erf"})
# Formats without a mark of their own: known by name, and by bytes that at least do not contradict it.
_WEAK: dict[str, tuple[re.Pattern[bytes], str]] = {
    ".tga": (re.compile(rb".[\x00\x01][\x01-\x03\x09-\x0b]", re.DOTALL), "image/x-tga"),
    ".icb": (re.compile(rb".[\x00\x01][\x01-\x03\x09-\x0b]", re.DOTALL), "image/x-tga"),
    ".pcx": (re.compile(rb"\x0a[\x00\x02-\x05][\x00\x01]"), "image/vnd.zbrush.pcx"),
    ".sgi": (re.compile(rb"\x01\xda[\x00\x01][\x01\x02]"), "image/sgi"),
    ".rgb": (re.compile(rb"\x01\xda[\x00\x01][\x01\x02]"), "image/sgi"),
    ".rgba": (re.compile(rb"\x01\xda[\x00\x01][\x01\x02]"), "image/sgi"),
    ".bw": (re.compile(rb"\x01\xda[\x00\x01][\x01\x02]"), "image/sgi"),
    ".fli": (re.compile(rb".{4}[\x11\x12]\xaf", re.DOTALL), "image/x-fli"),
    ".flc": (re.compile(rb".{4}[\x11\x12]\xaf", re.DOTALL), "image/x-fli"),
    ".msp": (re.compile(rb"DanM|LinS"), "image/x-msp"),
    ".dib": (re.compile(rb"[\x0c\x28\x34\x38\x6c\x7c]\x00\x00\x00"), "image/bmp"),
    ".ac3": (re.compile(rb"\x0b\x77"), "audio/ac3"),
    ".aac": (re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), "audio/aac"),
    ".mp3": (re.compile(rb"\x00*\xff[\xe2-\xff]"), "audio/mpeg"),
}


def match(head: bytes, suffix: str) -> str | None:
    """The media type that the first bytes prove, or None. `suffix` only tells raw photos from other TIFFs."""
    for offset, mark, mime in _MARKS:
        if head.startswith(mark, offset):
            if mime == "image/tiff" and suffix in _RAW_SUFFIXES:
                return "image/x-raw"
            return mime
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    return _by_shape(head)


def _by_shape(head: bytes) -> str | None:
    """Formats that need more than one place looked at."""
    if head[:2] == b"BM" and len(head) >= 18 and head[14:18] in _BMP_HEADERS:
        return "image/bmp"
    if (
        head[:4] in (b"\x00\x00\x01\x00", b"\x00\x00\x02\x00")
        and len(head) >= 22
        and 0 < head[4] + head[5] * 256 <= 512
    ):
        return "image/vnd.microsoft.icon"
    if _NETPBM.match(head):
        return _PBM.get(head[1:2], "image/x-portable-floatmap")
    if len(head) > 188 and head[0] == 0x47 and all(head[i] == 0x47 for i in range(0, min(len(head), 188 * 5), 188)):
        return "video/mp2t"
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    return _sound(head)


_ICONS = {b"\x00\x00\x01\x00": "image/vnd.microsoft.icon", b"\x00\x00\x02\x00": "image/x-win-bitmap"}
_BMP_HEADERS = {n.to_bytes(4, "little") for n in (12, 16, 40, 52, 56, 64, 108, 124)}


def _sound(head: bytes) -> str | None:
    """MP3 and AAC: a tag before the first frame, or two frames one after the other."""
    if head[:3] == b"ID3" and len(head) > 10:
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
        return "audio/flac" if head[10 + size : 14 + size] == b"fLaC" else "audio/mpeg"
    if len(head) < 7 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return "audio/aac" if length > 7 and head[length : length + 1] == b"\xff" else None
    length = _mpeg_frame(head)
    if 0 < length < len(head) - 1 and head[length] == 0xFF and head[length + 1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    return None


_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mpeg_frame(head: bytes) -> int:
    """Length in bytes of the MPEG audio frame that starts here, 0 if none does."""
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate, hertz = head[2] >> 4, head[2] >> 2 & 3
    if head[1] & 0xE0 != 0xE0 or version == 1 or layer == 4 or rate in (0, 15) or hertz == 3:
        return 0
    bits = _KBITS[1 if version == 3 else 2, layer][rate - 1] * 1000
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // _HERTZ[version][hertz] + padding) * 4
    samples = 72 if layer == 3 and version != 3 else 144
    return samples * bits // _HERTZ[version][hertz] + padding


def weak_match(head: bytes, suffix: str) -> str | None:
    """The media type that the name says and the bytes allow, for formats without a mark of their own."""
    pattern, mime = _WEAK.get(suffix, (None, None))
    return mime if pattern is not None and pattern.match(head) else None
