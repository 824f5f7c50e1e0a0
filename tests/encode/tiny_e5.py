"""A small file in the format of the packaged E5: real layout, random weights, a vocabulary of a few words."""

import struct

import numpy as np

WIDTH, LAYERS, HEADS, INNER, POSITIONS = 64, 2, 4, 128, 24
WORDS = ["▁", "▁query", "▁passage", "▁red", "▁kite", "▁ki", "te", ":", "s", "k", "i", "t", "e", "红", "风筝", "風", "é"]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, "<mask>"]
# Log probabilities: long pieces likelier than the sum of their letters, except "▁kite", which loses to "▁ki" + "te".
SCORES = [0.0] * 4 + [-3.0, -4, -4, -5, -12, -5, -5, -2, -3, -6, -6, -6, -6, -5, -5, -5, -5] + [0.0]
REPLACEMENTS = {9: " ", 10: " ", 0xFF1A: ":", 0x200B: "", 0x98A8: "風"}


def _q4(matrix):
    blocks = matrix.reshape(-1, 32)
    scale = (np.abs(blocks).max(1, keepdims=True) / 7).astype(np.float16)
    codes = np.clip(np.rint(blocks / scale.astype(np.float32)), -8, 7).astype(np.int8) + 8
    packed = (codes[:, :16] | (codes[:, 16:] << 4)).astype(np.uint8)
    exact = ((codes - 8).astype(np.float32) * scale.astype(np.float32)).reshape(matrix.shape)
    return b"".join(s.tobytes() + p.tobytes() for s, p in zip(scale, packed, strict=True)), exact


def build(seed=0):
    """The bytes of a file, and what it says: name → float32 array."""
    random = np.random.default_rng(seed)
    weights, tensors = {}, []

    def add(name, shape, packed, spread=0.3, centre=0.0):
        values = (centre + spread * random.standard_normal(shape)).astype(np.float32)
        raw = values.tobytes()
        if packed:
            raw, values = _q4(values)
        weights[name] = values
        tensors.append((name, int(packed), values.size, raw))

    vocabulary = len(PIECES) + 3
    add("emb.word", (vocabulary, WIDTH), True)
    add("emb.pos", (POSITIONS, WIDTH), False)
    add("emb.type", (2, WIDTH), False)
    add("emb.ln.w", WIDTH, False, 0.1, 1)
    add("emb.ln.b", WIDTH, False)
    for layer in range(LAYERS):
        for part, out, into in (
            ("q", WIDTH, WIDTH), ("k", WIDTH, WIDTH), ("v", WIDTH, WIDTH), ("ao", WIDTH, WIDTH),
            ("fi", INNER, WIDTH), ("fo", WIDTH, INNER),
        ):  # fmt: skip
            add(f"l{layer}.{part}.w", (out, into), True)
            add(f"l{layer}.{part}.b", out, False)
        for part in ("aln", "oln"):
            add(f"l{layer}.{part}.w", WIDTH, False, 0.1, 1)
            add(f"l{layer}.{part}.b", WIDTH, False)
    return _file(vocabulary, tensors), weights


def _file(vocabulary, tensors):
    head = b"E5S1" + struct.pack("<I7ifi", 1, WIDTH, LAYERS, HEADS, INNER, vocabulary, POSITIONS, 2, 1e-12, 32)
    pieces = [p.encode() for p in PIECES]
    offsets = np.cumsum([0, *map(len, pieces)]).astype("<u4")
    blob = b"".join(pieces)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob)) + offsets.tobytes()
    head += np.array(SCORES, "<f4").tobytes() + blob
    rules = b"".join(
        struct.pack(f"<IB{len(new)}I", point, len(new), *map(ord, new)) for point, new in sorted(REPLACEMENTS.items())
    )
    head += struct.pack("<iI", len(REPLACEMENTS), len(rules)) + rules + struct.pack("<i", len(tensors))
    at = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name, *_ in tensors)
    directory, body = b"", b""
    for name, kind, count, raw in tensors:
        fields = struct.pack("<BIQQ", kind, count, at + len(body), len(raw))
        directory += struct.pack("<H", len(name)) + name.encode() + fields
        body += raw
    return head + directory + body
