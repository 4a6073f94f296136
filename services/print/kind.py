"""The two kinds of renditions."""

from enum import StrEnum


class Kind(StrEnum):
    """A rendition's use: the marked print copy without signatures, or the copy to be signed."""

    UNSIGNED = "UNSIGNED"
    SIGNING = "SIGNING"
