"""Names against patterns such as ``vendor/*``, as access tables and issuers write them."""

from fnmatch import fnmatchcase
from functools import lru_cache


@lru_cache(maxsize=10_000)  # asked several times per call, of few names
def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name fits one of the patterns (`fnmatch`, case matters)."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
