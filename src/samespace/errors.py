"""Every error of samespace, and what to do about each.

Line 1 of a message is the fact with its values, line 2 the mend, ready to paste. Data stay as attributes.

    SamespaceError
    + SpaceMismatchError      (ValueError)   vectors of one Space where another is needed
    + VectorError             (ValueError)   rows that cannot live in their Space
    + UnknownNameError        (LookupError)  a name nobody has registered, with the nearest ones
    + MissingExtraError       (ImportError)  an optional dependency is not installed, or is broken
    + RecipeError             (ValueError)   a recipe that gives wrong vectors; found by `doctor`
    + WeightsError            (OSError)      weights that cannot be used
      - WeightsNotFoundError                 they are nowhere: how to get them
      - WeightsHashError                     they are not the file they should be
    + ReadError               (ValueError)   one file cannot be read: its class and reason
    + ReaderStartError        (RuntimeError) no file can be read: the processes that read cannot start
    + QueryError              (ValueError)   a query or filter that makes no sense
    + StoreError              (OSError)      an index that cannot be used
      - IndexNotFoundError                   there is none here
      - IndexVersionError                    it was written by a newer samespace
      - IndexLockedError                     somebody else is writing to it
      - IndexDamagedError                    its files do not fit together
      - IndexMovedError                      it has moved to another model since it was opened
    + ServeError              (OSError)      the page cannot be served like that
    + DataError               (ValueError)   a row that cannot be trained on
    + PlanError               (ValueError)   a setting of a training plan that makes no sense
    + DivergedError           (ArithmeticError) a training whose loss is no number any more
    + CheckpointError         (OSError)      a state of training that cannot be written or read
    + TranslatorFileError     (OSError)      a translator on disk that cannot be used
    + RouteError              (LookupError)  there is no way from one Space to another

Knows nothing of the rest of the package. Imports the standard library only.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

__all__ = [
    "CheckpointError",
    "DataError",
    "DivergedError",
    "FailureClass",
    "IndexDamagedError",
    "IndexLockedError",
    "IndexMovedError",
    "IndexNotFoundError",
    "IndexVersionError",
    "MissingExtraError",
    "PlanError",
    "QueryError",
    "ReadError",
    "ReaderStartError",
    "RecipeError",
    "RouteError",
    "SamespaceError",
    "ServeError",
    "SpaceMismatchError",
    "StoreError",
    "TranslatorFileError",
    "UnknownNameError",
    "VectorError",
    "WeightsError",
    "WeightsHashError",
    "WeightsNotFoundError",
    "did_you_mean",
]

FailureClass = Literal[
    "decode", "too_big", "timeout", "unsupported", "encrypted", "empty", "permission", "crashed", "vanished"
]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Say which known names are near `name`, or list them if they are few; "" if nothing helps."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(repr(n) for n in near) + "?"
    return "Known: " + ", ".join(names) if 0 < len(names) <= 12 else ""


class SamespaceError(Exception):
    """Root of the tree: catch this to catch all of ours and nothing else."""


class SpaceMismatchError(SamespaceError, ValueError):
    """Vectors of one Space were given where another was needed."""

    def __init__(self, got: str, needed: str, mend: str = "") -> None:
        mend = mend or "Encode with the model of that space, or translate them first: atlas.translate(vectors, space)"
        super().__init__(f"got vectors of space {got!r} where {needed!r} is needed\n{mend}")
        self.got, self.needed = got, needed


class VectorError(SamespaceError, ValueError):
    """Rows were offered to a Space that cannot live in it (shape, type, finiteness, length)."""

    def __init__(self, fact: str, space: str, mend: str) -> None:
        super().__init__(f"{fact} (space {space!r})\n{mend}")
        self.space = space


class UnknownNameError(SamespaceError, LookupError):
    """A name was asked for that nobody has registered."""

    def __init__(self, what: str, name: str, known: Iterable[str], mend: str = "") -> None:
        known = tuple(known)
        hint = did_you_mean(name, known) or mend or f"Install the package that provides this {what}."
        super().__init__(f"unknown {what} {name!r}\n{hint}")
        self.what, self.name, self.known = what, name, known


class MissingExtraError(SamespaceError, ImportError):
    """Something needs an optional dependency that is absent, or present and broken."""

    def __init__(self, needs: str, package: str, extra: str, because: str = "", mend: str = "") -> None:
        cause = f" ({because})" if because else ""
        mend = mend or f"Install it: pip install 'samespace[{extra}]'"
        super().__init__(f"{needs} needs the package {package!r}{cause}\n{mend}")
        self.package, self.extra = package, extra


class RecipeError(SamespaceError, ValueError):
    """A recipe gives vectors that are wrong, or cannot be applied to this model."""

    def __init__(self, model: str, fact: str, mend: str) -> None:
        super().__init__(f"{model}: {fact}\n{mend}")
        self.model = model


class WeightsError(SamespaceError, OSError):
    """A model's weights cannot be used."""

    def __init__(self, fact: str, mend: str) -> None:
        super().__init__(f"{fact}\n{mend}")


class WeightsNotFoundError(WeightsError):
    """A model's weights are nowhere on this machine."""


class WeightsHashError(WeightsError):
    """A file of weights is not the one the catalogue names."""

    def __init__(self, path: str, got: str, needed: str) -> None:
        super().__init__(
            f"{path} has sha256 {got[:16]}… where {needed[:16]}… is needed",
            "The file is damaged or another version: delete it and install it again, "
            "or name it as a model of its own by its folder (hf:/path/to/folder)",
        )
        self.path, self.got, self.needed = path, got, needed


class ReadError(SamespaceError, ValueError):
    """One file cannot be read. `failure` is its class, `reason` the fact, `mend` what a person can do."""

    def __init__(self, failure: FailureClass, reason: str, mend: str) -> None:
        super().__init__(f"{failure}: {reason}\n{mend}")
        self.failure: FailureClass = failure
        self.reason, self.mend = reason, mend

    def __reduce__(self) -> tuple[type["ReadError"], tuple[FailureClass, str, str]]:
        """Survive the pipe from a worker process."""
        return type(self), (self.failure, self.reason, self.mend)


class ReaderStartError(SamespaceError, RuntimeError):
    """The processes that read files cannot be started, so no file can be read."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"a reader process cannot start: {why}\n"
            "Look at memory, processes and space for temporary files; if they are there, mend the installation: "
            "pip install --force-reinstall 'samespace[read]'"
        )
        self.why = why


class QueryError(SamespaceError, ValueError):
    """A query or a filter makes no sense."""

    def __init__(self, fact: str, mend: str) -> None:
        super().__init__(f"{fact}\n{mend}")


class StoreError(SamespaceError, OSError):
    """An index on disk cannot be used."""

    def __init__(self, uri: str, fact: str, mend: str) -> None:
        super().__init__(f"{uri}: {fact}\n{mend}")
        self.uri = uri


class IndexNotFoundError(StoreError):
    """There is no index here."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, "there is no samespace index here", f"Make one: samespace index FOLDER --index {uri}")


class IndexVersionError(StoreError):
    """The index was written by a newer samespace than this one."""

    def __init__(self, uri: str, found: int, known: int) -> None:
        super().__init__(
            uri,
            f"the index has format {found}, this samespace knows up to {known}",
            "Update it: pip install --upgrade samespace (the index was not touched)",
        )
        self.found, self.known = found, known


class IndexLockedError(StoreError):
    """Somebody else is writing to the index."""

    def __init__(self, uri: str, owner: str) -> None:
        super().__init__(
            uri,
            f"another process is writing to this index ({owner})",
            "Wait for it to end, or call again with --wait; searching works meanwhile",
        )
        self.owner = owner


class IndexDamagedError(StoreError):
    """The files of an index do not fit together."""


class IndexMovedError(StoreError):
    """The index has moved to another model's Space since it was opened."""

    def __init__(self, uri: str, was: str, now: str) -> None:
        super().__init__(
            uri,
            f"the index has moved from the model {was!r} to {now!r} since it was opened",
            f"Open it again; how it stands, and whether there is a way back: samespace migrate {uri} --status",
        )
        self.was, self.now = was, now


class ServeError(SamespaceError, OSError):
    """The page cannot be served like that."""

    def __init__(self, fact: str, mend: str) -> None:
        super().__init__(f"{fact}\n{mend}")


class TranslatorFileError(SamespaceError, OSError):
    """A translator on disk cannot be used: it is not there, damaged, or of another version."""

    def __init__(self, place: str, fact: str, mend: str) -> None:
        super().__init__(f"{place}: {fact}\n{mend}")
        self.place = place


class RouteError(SamespaceError, LookupError):
    """No Translator, and no chain of them, leads from one Space to another."""

    def __init__(self, source: str, target: str, mend: str) -> None:
        super().__init__(f"no way from space {source!r} to {target!r}\n{mend}")
        self.source, self.target = source, target


class DataError(SamespaceError, ValueError):
    """A row of a dataset cannot be trained on; `row` from 0, None if it is not about one."""

    def __init__(self, row: int | None, column: str, reason: str, mend: str) -> None:
        where = "" if row is None else f"row {row}, {column}: "
        super().__init__(f"{where}{reason}\n{mend}")
        self.row, self.column, self.reason, self.mend = row, column, reason, mend


class PlanError(SamespaceError, ValueError):
    """A setting of a training plan makes no sense."""

    def __init__(self, plan: str, fact: str, mend: str) -> None:
        super().__init__(f"{plan}: {fact}\n{mend}")
        self.plan = plan


class DivergedError(SamespaceError, ArithmeticError):
    """The loss of a training is no number any more; `checkpoint` is the last good one, None if there is none."""

    def __init__(self, step: int, value: float, checkpoint: str | None, mend: str) -> None:
        kept = f"the last good state is {checkpoint}" if checkpoint else "no state was kept before"
        super().__init__(f"the loss is {value} at step {step}; {kept}\n{mend}")
        self.step, self.value, self.checkpoint = step, value, checkpoint


class CheckpointError(SamespaceError, OSError):
    """A state of training cannot be written or read."""

    def __init__(self, path: str, fact: str, mend: str) -> None:
        super().__init__(f"{path}: {fact}\n{mend}")
        self.path = path
