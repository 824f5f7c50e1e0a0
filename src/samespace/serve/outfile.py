"""Where a result is to be written, looked at before the work that makes it and not after.

Imports the standard library.
"""

from pathlib import Path

__all__ = ["require_folder"]


def require_folder(path: Path | None) -> None:
    """Raise ValueError if a file is to be written where no folder is; None is nothing to write."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{path.parent} is no folder\nMake it, or name a file elsewhere")
