"""Plugins by entry point."""

import pytest

from samespace import registry
from samespace.errors import UnknownNameError


def test_built_ins_are_declared_like_any_plugin() -> None:
    assert {"hf", "onnx", "st", "e5q4", "hashing"} <= set(registry.names("encoders"))
    assert {"flat", "lance"} <= set(registry.names("indexes"))


def test_a_scheme_leads_to_its_object() -> None:
    assert registry.load("encoders", "hashing")("64").space.dim == 64


def test_an_unknown_scheme_is_met_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hashing'"):
        registry.load("encoders", "hashin")


@pytest.mark.parametrize(
    ("name", "halves"),
    [("hf:org/m@rev", ("hf", "org/m@rev")), ("e5", ("", "e5")), ("onnx:/a:b", ("onnx", "/a:b"))],
)
def test_names_are_cut_at_the_first_colon(name: str, halves: tuple[str, str]) -> None:
    assert registry.split(name) == halves


@pytest.mark.parametrize("group", ["encoders", "indexes"])
def test_every_built_in_can_be_imported(group: registry.Group) -> None:
    for scheme in registry.names(group):
        assert callable(registry.load(group, scheme))
