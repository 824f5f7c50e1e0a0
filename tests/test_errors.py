"""The error tree: every class says the fact on line 1 and the mend on line 2."""

import inspect
import pickle

import pytest

from samespace import errors

SAMPLES = [
    errors.SpaceMismatchError("a", "b"),
    errors.VectorError("row 3 is not finite", "a", "Look for overflow."),
    errors.UnknownNameError("model", "e5-smal", ["e5-small", "minilm"]),
    errors.UnknownNameError("model", "zzz", [f"model-{i}" for i in range(99)]),
    errors.MissingExtraError("reading PDF", "pypdfium2", "read"),
    errors.RecipeError("clip", "the picture changes nothing", "Look at the template."),
    errors.WeightsNotFoundError("no weights for minilm", "pip install x"),
    errors.WeightsHashError("/a/b", "0" * 64, "1" * 64),
    errors.ReadError("encrypted", "the PDF wants a password", "Save a copy without one."),
    errors.QueryError("k is 0", "Ask for at least one: -k 1"),
    errors.IndexNotFoundError("/a"),
    errors.IndexVersionError("/a", 9, 1),
    errors.IndexLockedError("/a", "pid 7 on host, since 10:00"),
    errors.IndexDamagedError("/a", "vectors are missing", "Index the folder again."),
    errors.ServeError("port 7700 is taken", "Take another: --port 0"),
    errors.ReaderStartError("no space left on device"),
    errors.TranslatorFileError("/a", "its file is missing", "Fit it again"),
    errors.RouteError("a", "b", "Fit one: fit(source, target)"),
    errors.IndexMovedError("/a", "old", "new"),
    errors.DataError(3, "positive", "the text is empty", "Write one."),
    errors.PlanError("bind", "epochs is 0", "Use at least 1."),
    errors.DivergedError(7, float("nan"), None, "Lower it: --learning-rate 0.001"),
    errors.CheckpointError("/a", "no space left on device", "Free some."),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
def test_line_1_is_the_fact_and_line_2_the_mend(error: errors.SamespaceError) -> None:
    lines = str(error).split("\n")
    assert len(lines) == 2
    assert all(line.strip() for line in lines)
    assert isinstance(error, errors.SamespaceError)


def test_every_class_is_tried_listed_and_drawn() -> None:
    classes = {n for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.SamespaceError)}
    tried = {type(e).__name__ for e in SAMPLES}
    roots = {"SamespaceError", "WeightsError", "StoreError"}
    assert classes - roots == tried
    assert classes <= set(errors.__all__)
    assert all(name in (errors.__doc__ or "") for name in classes)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [(SAMPLES[0], ValueError), (SAMPLES[2], LookupError), (SAMPLES[4], ImportError), (SAMPLES[6], OSError)],
)
def test_each_is_also_the_fitting_builtin(error: Exception, builtin: type) -> None:
    assert isinstance(error, builtin)


def test_near_names_are_offered() -> None:
    assert "Did you mean 'e5-small'?" in str(SAMPLES[2])
    assert errors.did_you_mean("x", ["alpha", "beta"]) == "Known: alpha, beta"
    assert errors.did_you_mean("x", []) == ""


def test_a_read_error_survives_the_pipe() -> None:
    error = pickle.loads(pickle.dumps(SAMPLES[8]))
    assert (error.failure, error.reason, error.mend) == (
        "encrypted", "the PDF wants a password", "Save a copy without one.",
    )  # fmt: skip
