"""samespace: every embedding knows which space it lives in, and everything can be found by anything.

The core is here: Space, Vectors, similarity, the Items, and the errors. Everything heavier is a submodule that is
imported where it is used: samespace.read, samespace.encode, samespace.index, samespace.serve.
"""

from samespace.errors import SamespaceError, SpaceMismatchError
from samespace.items import Audio, Blob, Document, Image, Item, Locator, Mixed, Text, Video
from samespace.space import Space, Sum, Vectors, similarity

__all__ = [
    "Audio",
    "Blob",
    "Document",
    "Image",
    "Item",
    "Locator",
    "Mixed",
    "SamespaceError",
    "Space",
    "SpaceMismatchError",
    "Sum",
    "Text",
    "Vectors",
    "Video",
    "__version__",
    "similarity",
]

__version__ = "0.1.0"
