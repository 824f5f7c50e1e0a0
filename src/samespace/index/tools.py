"""What reading has at hand on this machine: it makes the same bytes give other passages.

When OCR or a speech model is installed later, the files that wait for it are read again; nothing else is.

Knows nothing of stores. Imports the standard library and where reading looks for its tools.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from samespace.errors import SamespaceError
from samespace.read import whisper
from samespace.read.protocol import Options

__all__ = ["tools"]

_NONE = "none"


def tools(family: str, options: Options) -> Mapping[str, str]:
    """The tools that matter for files of a family ("image", "audio", …), by name: which one, or that there is none."""
    made = {}
    if family not in ("text", "audio"):
        made["ocr"] = _ocr() if options.ocr else "off"
    if family in ("audio", "video"):
        made["speech"] = "off" if options.speech is False else _speech(options.speech_weights)
    return made


def _ocr() -> str:
    return "rapidocr" if find_spec("rapidocr") and find_spec("onnxruntime") else _NONE


def _speech(folder: str | None) -> str:
    try:
        return whisper.find(folder).name
    except SamespaceError:
        return _NONE
