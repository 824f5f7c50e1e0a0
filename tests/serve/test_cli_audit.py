"""samespace audit, from files to sentences, with a model that is always there."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from samespace.encode.hashing import load
from samespace.items import Text
from samespace.serve.cli import main

WORDS = ("river stone bread music winter garden letter engine doctor market silver mountain bridge school").split()  # noqa: SIM905


def sentences(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 5, replace=False)) + f" {seed}{i}" for i in range(n)]


@pytest.fixture
def place(tmp_path):
    """Vectors by one model, their texts, and another's texts, one of which is held, too."""
    held, own = sentences(300, 1), sentences(400, 2)
    encoder = load("64")
    np.save(tmp_path / "held.npy", encoder.encode([Text(text) for text in held]).data)
    (tmp_path / "held.txt").write_text("\n".join(held))
    (tmp_path / "own.txt").write_text("\n".join([*own, held[7].upper()]))
    (tmp_path / "labels.txt").write_text("river stone\nmusic school\n")
    return tmp_path


def run(place, *more: str):
    held = [str(place / "held.npy"), "--space", "made/hash@1", "--own", "hashing:96", "--texts", str(place / "own.txt")]
    return CliRunner().invoke(main, ["audit", *held, *more])


def test_it_says_what_pairs_find_and_draws_it(place):
    items, labels = str(place / "held.txt"), str(place / "labels.txt")
    picture = place / "audit.svg"
    done = run(place, "--items", items, "--labels", labels, "--pairs", "100", "--json", "--svg", str(picture))
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    found = data["found"]
    assert list(found) == ["chance", "random text", "untranslated", "same model", "100 pairs"]
    assert found["100 pairs"]["top1"] > 0.3 > found["random text"]["top1"] and found["same model"]["attribute"] == 1
    assert data["left_out"] == {"wordless": 0, "known_to_both": 1} and data["facts"]["rows"] == [300, 400]
    assert data["neighbours_kept"] is None and "With 100 pairs that leaked" in data["says"][0]
    drawn = picture.read_text()
    assert drawn.startswith("<svg") and drawn.count("<rect") == 1 + 3 * len(found) and "made/hash@1" in drawn


def test_a_defence_is_measured_by_what_it_keeps(place):
    items = str(place / "held.txt")
    plain = json.loads(run(place, "--items", items, "--pairs", "100", "--json").stdout)
    noisy = json.loads(run(place, "--items", items, "--pairs", "100", "--json", "--defence", "noise:2").stdout)
    turned = json.loads(run(place, "--items", items, "--pairs", "100", "--json", "--defence", "rotation").stdout)
    assert noisy["found"]["100 pairs"]["top1"] < plain["found"]["100 pairs"]["top1"] / 2
    assert noisy["neighbours_kept"] < 0.6 and turned["neighbours_kept"] > 0.95
    assert turned["found"]["100 pairs"]["top1"] == pytest.approx(plain["found"]["100 pairs"]["top1"], abs=0.05)


def test_for_people_it_is_a_table_with_no_text_and_no_vector(place):
    done = run(place, "--items", str(place / "held.txt"), "--pairs", "50", "--quiet", "--defence", "bits:1")
    assert done.exit_code == 0, done.output
    assert "300 rows held, 400 texts of the attacker's" in done.stdout and "same model" in done.stdout
    assert "left out: 0 rows without a text, 1 texts that are held" in done.stdout
    assert "not proven safe" in done.stdout and "ten nearest neighbours stay" in done.stdout
    assert not any(word in done.stdout for word in WORDS)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ((), "no column of texts, so nothing that is found in it could be judged\nGive them, one line a row: --items"),
        (("--items", "labels.txt"), "2 lines for 300 rows"),
        (("--items", "held.txt"), "to align without pairs takes 1,000 of each\nGive more, or attack with pairs only"),
        (("--items", "held.txt", "--pairs", "299"), "299 of them leaked: 1 are left to score"),
        (("--items", "held.txt", "--pairs", "10", "--defence", "fog:1"), "no defence 'fog:1'\nGive one of: noise:0.5"),
        (("--items", "held.txt", "--pairs", "10", "--defence", "noise:much"), "no defence 'noise:much' ("),
        (("--items", "held.txt", "--pairs", "10", "--defence", "cut:64"), "64 cannot be kept)"),
        (("--items", "held.txt", "--pairs", "10", "--texts", "held.txt"), "0 texts of"),
        (("--items", "held.txt", "--svg", "no/a.svg"), "no is no folder\nMake it"),
    ],
)
def test_bad_input_is_refused_with_the_mend(place, more, says):
    done = run(place, *(str(place / one) if one.endswith((".txt", ".svg")) else one for one in more))
    assert done.exit_code == 1
    assert says in done.stderr.replace("error: ", "")
