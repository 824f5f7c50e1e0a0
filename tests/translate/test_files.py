"""Translators on disk: the same to the last bit, or refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from samespace import Space, Vectors, errors
from samespace.translate import files
from samespace.translate.affine import Affine, LowRankAffine
from samespace.translate.derived import Cut, Requantised
from samespace.translate.domain import Domain
from samespace.translate.files import load, open_saved, save
from samespace.translate.linear import Linear
from samespace.translate.packing import KINDS
from samespace.translate.procrustes import Procrustes

HERE = Space("made/here@1", 12, fingerprint="h" * 32)
THERE = Space("made/there@1", 20, "dot", fingerprint="t" * 32, parent=Space("made/whole@1", 40))
COARSE = Space("made/here@1+int8", 12, fingerprint="c", parent=HERE)
SMALL = Space("made/here@1/5", 5, fingerprint="s", parent=HERE)


def pairs(n: int = 80) -> tuple[Vectors, Vectors]:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, 12))
    return HERE.vectors(rows + 1), THERE.vectors(rows @ rng.standard_normal((12, 20)) + 3)


def made(kind: str):
    facts = {"method": kind, "pairs": 80, "seed": np.int64(7), "data": "abc", "verdict": {"level": "trusted"}}
    if kind == "requantised":
        return Requantised(HERE, COARSE, 0.91)
    if kind == "cut":
        return Cut(HERE, SMALL)
    fit = {"procrustes": Procrustes, "affine": Affine, "low-rank-affine": LowRankAffine}[kind].fit(*pairs())
    return type(fit)(**{**vars(fit), "fidelity": 0.1 + 0.2, "facts": facts})


@pytest.mark.parametrize("kind", ["requantised", "cut", "procrustes", "affine", "low-rank-affine"])
def test_what_is_loaded_is_what_was_saved(kind: str, tmp_path: Path) -> None:
    before = made(kind)
    mark = save(before, tmp_path / "t")
    after = load(tmp_path / "t")
    assert type(after) is type(before)
    assert (after.source, after.target, after.fidelity) == (before.source, before.target, before.fidelity)
    rows = HERE.vectors(np.random.default_rng(1).standard_normal((9, 12)))
    assert (after(rows).data == before(rows).data).all()
    if isinstance(before, Linear):
        assert dict(after.facts) == dict(before.facts)
        back = before(rows)
        assert (after.inverse()(back).data == before.inverse()(back).data).all()
        assert after.matrix.dtype == np.float64
    assert mark == open_saved(tmp_path / "t").mark and len(mark) == 64
    assert mark == save(before, tmp_path / "again"), "equal translators, equal marks"


def test_the_json_is_for_people_and_the_folder_holds_two_files(tmp_path: Path) -> None:
    save(made("procrustes"), tmp_path)
    card = json.loads((tmp_path / "translator.json").read_text())
    said = card["translator"]
    assert said["$kind"] == "procrustes" and said["facts"]["method"] == "procrustes"
    assert said["source"]["$space"] == HERE.to_dict() and said["target"]["$space"] == THERE.to_dict()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([card["tensors"]["file"], "translator.json"])
    assert set(KINDS) >= {said["$kind"]}


def test_domain_and_second_fit_are_kept_beside_it(tmp_path: Path) -> None:
    source, target = pairs()
    save(made("affine"), tmp_path, domain=Domain.of(source), second=Procrustes.fit(source[:40], target[:40]))
    saved = open_saved(tmp_path)
    assert isinstance(saved.second, Procrustes) and saved.domain is not None
    assert saved.domain.look(source) == Domain.of(source).look(source)
    save(made("affine"), tmp_path)
    assert open_saved(tmp_path).domain is None and len(list(tmp_path.iterdir())) == 2, "the old arrays are gone"


def changed(folder: Path, change) -> None:
    """Change the JSON and give it the hash that then is right: a file that somebody made."""
    place = folder / "translator.json"
    card = json.loads(place.read_text())
    change(card)
    card["sha256"] = files._mark(card)
    place.write_text(json.dumps(card))


def flip(folder: Path) -> None:
    place = next(folder.glob("tensors-*"))
    data = bytearray(place.read_bytes())
    data[-3] ^= 1
    place.write_bytes(data)


def cut(folder: Path, name: str) -> None:
    place = next(folder.glob(name))
    place.write_bytes(place.read_bytes()[:-100])


def swap_spaces(folder: Path) -> None:
    place = folder / "translator.json"
    place.write_text(place.read_text().replace("made/here", "made/gone"))


def other_arrays(folder: Path) -> None:
    """The arrays of another translator, under the name of these."""
    source, target = pairs()
    save(Procrustes.fit(source[:30], target[:30]), folder.parent / "other")
    next(folder.glob("tensors-*")).write_bytes(next((folder.parent / "other").glob("tensors-*")).read_bytes())


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (flip, r"tensors-\w+.safetensors has sha256 .* are needed\nFit and save it again"),
        (lambda f: cut(f, "tensors-*"), r"has sha256 .* bytes where .*\nFit and save it again"),
        (lambda f: cut(f, "translator.json"), r"translator.json is damaged .*\nFit and save it again"),
        (lambda f: next(f.glob("tensors-*")).unlink(), r"its file tensors-\w+.safetensors is missing\n"),
        (swap_spaces, r"translator.json was changed after it was written: its hash is wrong\n"),
        (other_arrays, r"has sha256"),
        (lambda f: (f / "translator.json").write_text("[]"), r"describes no translator\n"),
        (lambda f: (f / "translator.json").unlink(), r"there is no translator here\nMake one: samespace translate fit"),
        (lambda f: changed(f, lambda c: c.update(format=99)), r"format 99, this samespace knows up to 1\nUpdate it"),
        (lambda f: changed(f, lambda c: c["translator"].update({"$kind": "os"})), r"kind 'os' is not known here"),
        (lambda f: changed(f, lambda c: c["translator"].update({"$kind": "frame"})), r"does not make a translator"),
        (lambda f: changed(f, lambda c: c["translator"].update({"new": 1})), r"does not make a translator"),
        (lambda f: changed(f, lambda c: c["translator"].pop("shift")), r"does not make a translator"),
        (lambda f: changed(f, lambda c: c.pop("translator")), r"does not make a translator"),
        (lambda f: changed(f, lambda c: c["translator"]["source"]["$space"].update(dim=11)), r"does not lead from"),
        (lambda f: changed(f, lambda c: c["translator"].update(shift={"$tensor": "translator.back_shift"})),
         r"does not make a translator"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_written_is_refused_in_two_lines(harm, words: str, tmp_path: Path) -> None:
    place = tmp_path / "t"
    save(made("affine"), place)
    harm(place)
    with pytest.raises(errors.TranslatorFileError, match=words) as caught:
        load(place)
    assert len(str(caught.value).splitlines()) == 2 and caught.value.place == str(place)


def test_a_direction_is_part_of_it(tmp_path: Path) -> None:
    save(made("procrustes"), tmp_path)
    with pytest.raises(errors.SpaceMismatchError, match=r"made/there.*made/here"):
        load(tmp_path)(pairs()[1])


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(errors.TranslatorFileError, match=r"holds other things \('thesis.txt'\)\nName an empty one"):
        save(made("cut"), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_kept_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    class Mine:
        source = target = HERE
        fidelity = None

        def __call__(self, vectors: Vectors) -> Vectors:
            return vectors

    with pytest.raises(TypeError, match=r"a Mine cannot be kept\nKinds that can: requantised"):
        save(Mine(), tmp_path / "t")
    with pytest.raises(TypeError, match="a set cannot be kept"):
        save(Requantised(HERE, COARSE, {1}), tmp_path / "t")  # type: ignore[arg-type]
    assert not (tmp_path / "t").exists()


def test_a_save_that_is_killed_leaves_the_old_one(tmp_path: Path) -> None:
    save(made("requantised"), tmp_path)
    probe = (
        "import os, sys, pathlib\n"
        "from samespace.translate import files\n"
        "from samespace.translate.procrustes import Procrustes\n"
        "from samespace import Space\n"
        "import numpy as np\n"
        "real, calls = pathlib.Path.replace, []\n"
        "def replace(self, to):\n"
        "    calls.append(to)\n"
        "    if len(calls) == int(sys.argv[2]): os._exit(9)\n"
        "    return real(self, to)\n"
        "pathlib.Path.replace = replace\n"
        "a = Space('a/a@1', 3); b = Space('b/b@1', 3); r = np.eye(3) + .1\n"
        "files.save(Procrustes.fit(a.vectors(r), b.vectors(r)), sys.argv[1])\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for at in ("1", "2"):
        run = subprocess.run([sys.executable, "-c", probe, str(tmp_path), at], capture_output=True, env=env)
        assert run.returncode == 9, run.stderr.decode()
        assert load(tmp_path) == made("requantised")
    save(made("cut"), tmp_path)
    assert load(tmp_path) == made("cut") and len(list(tmp_path.iterdir())) == 2, "drafts are cleared away"
