"""A reader plugin that misbehaves on command, for the tests of the worker pool."""

from collections.abc import Callable
from pathlib import Path

import pytest

# A real plugin in a real (if tiny) distribution: workers find it by its entry point, as they would any other.
# It reads files of WebAssembly's mark; the word after the mark says how to misbehave.
_PLUGIN = """
import os, re, signal, socket, struct, sys, threading, time
from pathlib import Path
from samespace.errors import ReadError
from samespace.items import Blob, Image, Text
from samespace.read.protocol import Facts, Passage

class Reader:
    name, version, mimes = "unruly", 7, frozenset({"application/wasm"})

    def read(self, path, mime, options):
        word, _, rest = path.read_bytes()[4:].decode().partition(" ")
        yield from getattr(self, word)(rest, path)
        yield Facts(mime, "other", "unruly/7")

    def sleep(self, rest, path):
        for _ in range(64):  # a handful, so that they are sent
            yield Passage(Text(str(os.getpid())), "text", "body")
        Path(rest).write_text(str(os.getpid())) if rest else None
        time.sleep(600)

    def spin(self, rest, path):
        yield Passage(Text("before"), "text", "body")
        while True:
            pass

    def stick(self, rest, path):
        for _ in range(64):
            yield Passage(Text(str(os.getpid())), "text", "body")
        re.match("(a+)+$", "a" * 60 + "b")

    def die(self, rest, path):
        os.write(2, b"the decoder fell over\\n")
        os.kill(os.getpid(), signal.SIGSEGV)
        yield

    def die_once(self, rest, path):
        if not os.path.exists(rest):
            open(rest, "w").close()
            os.kill(os.getpid(), signal.SIGSEGV)
        yield Passage(Text("second try"), "text", "body")

    def leave(self, rest, path):
        os._exit(3)
        yield

    def eat(self, rest, path):
        held = bytearray(int(rest))
        yield Passage(Text(str(len(held))), "text", "body")

    def call(self, rest, path):
        socket.create_connection(("127.0.0.1", 9), timeout=1)
        yield

    def ask_name(self, rest, path):
        socket.getaddrinfo("example.org", 80)
        yield

    def flood(self, rest, path):
        count, note = rest.split(" ", 1)
        for i in range(int(count)):
            Path(note).write_text(str(i + 1))
            yield Passage(Image(Blob(data=bytes(1 << 20))), "image", "pixels")

    def huge(self, rest, path):
        yield Passage(Image(Blob(data=bytes(int(rest)))), "image", "pixels")

    def lock(self, rest, path):
        yield Passage(Text("x"), "text", "body", language=threading.Lock())

    def half(self, rest, path):
        os.write(int(sys.argv[1]), struct.pack("!i", 1000))  # the head of a message
        time.sleep(600)
        yield

    def program(self, rest, path):
        import subprocess
        subprocess.run(["true"])
        yield

    def write(self, rest, path):
        with open(os.path.join(os.environ["TMPDIR"], "x"), "wb") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
        yield Passage(Text("x"), "text", "body")

    def open(self, rest, path):
        held = [open(path) for _ in range(1000)]
        yield Passage(Text(str(len(held))), "text", "body")

    def many(self, rest, path):
        for i in range(int(rest)):
            yield Passage(Text(str(i)), "text", "body")

    def keep(self, rest, path):
        Reader.kept = bytearray(int(rest))
        yield Passage(Text("x"), "text", "body")

    def drip(self, rest, path):
        os.write(int(sys.argv[1]), struct.pack("!i", 1000))
        while True:
            os.write(int(sys.argv[1]), b"x")
            time.sleep(0.5)
        yield

    def ready(self, rest, path):
        from samespace.read import wire
        for _ in range(100):
            data = wire.pack("ready")
            os.write(int(sys.argv[1]), struct.pack("!i", len(data)) + data)
        time.sleep(600)
        yield

    def forget(self, rest, path):
        yield Passage(Text("x"), "text", "body")
        yield Facts("a/b", "other", "unruly/7")

    def lie(self, rest, path):
        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {rest}",)
        import pickle
        from samespace.read import wire
        wire.pack = lambda message: pickle.dumps(Evil())
        yield Passage(Text("x"), "text", "body")

    def pid(self, rest, path):
        yield Passage(Text(f"{os.getpid()} {os.environ['TMPDIR']} {os.nice(0)}"), "text", "body")
"""


@pytest.fixture
def unruly(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], Path]:
    """Install the plugin; make(path, words) writes a file that misbehaves so."""
    place = tmp_path_factory.mktemp("site")
    (place / "unruly_reader.py").write_text(_PLUGIN)
    info = place / "unruly_reader-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly-reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[samespace.readers]\nunruly = unruly_reader:Reader\n")
    monkeypatch.syspath_prepend(str(place))

    def make(path: Path, words: str) -> Path:
        path.write_bytes(b"\x00asm" + words.encode())
        return path

    return make
