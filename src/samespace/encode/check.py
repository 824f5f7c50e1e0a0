"""What a single check of an Encoder found.

Knows nothing of models. Imports the standard library only.
"""

from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """One question asked of an Encoder, and its answer.

    Attributes:
        name: of the check, in a few words.
        passed: True, False, or None where it does not apply; `meaning` then says why.
        value: what was measured; None if nothing was.
        bound: what it was held against; None if nothing was.
        meaning: what it says about the vectors.
        mend: what to do if it failed.
    """

    name: str
    passed: bool | None
    value: float | None
    bound: float | None
    meaning: str
    mend: str = ""

    def __str__(self) -> str:
        """One line for people, and the mend below it where one is needed."""
        mark = {True: "ok  ", False: "FAIL", None: "–   "}[self.passed]
        measured = (
            f"  {self.value:.3g} (bound {self.bound:.3g})" if self.value is not None and self.bound is not None else ""
        )
        line = f"{mark} {self.name}{measured}: {self.meaning}"
        return f"{line}\n     {self.mend}" if self.passed is False and self.mend else line
