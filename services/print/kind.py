"""The two kinds of renditions."""

from enum import StrEnum


class Kind(StrEnum):
    """What a rendition is for: the marked print copy without signatures, or the copy to be signed."""

    UNSIGNED = "UNSIGNED"
    SIGNING = "SIGNING"
