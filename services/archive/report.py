"""The report of a verification: named checks with their outcome, and the signatures in the file."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Check:
    """A check. name: stable, such as ``SEAL_COVERS_FILE``; detail: for people."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class SignatureFound:
    """A signature, in the order of signing. sign_time: as the document claims, which proves nothing
    by itself.
    """

    field: str
    order: int
    role: str
    signatory: str
    name: str
    sign_time: datetime | None
    valid: bool


@dataclass(frozen=True)
class Report:
    """All checks of one verification."""

    checks: tuple[Check, ...]
    signatures: tuple[SignatureFound, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether every check passed."""
        return all(c.passed for c in self.checks)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(c.name for c in self.checks if not c.passed)
