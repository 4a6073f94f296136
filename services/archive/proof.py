"""The report of the WORM probe, kept in the database and shown to the operator."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ProbeCheck:
    """An attempt: its stable name, what a WORM store does, what this store did."""

    name: str
    expected: str
    observed: str
    passed: bool


@dataclass(frozen=True)
class ProbeReport:
    """All attempts on a store. It holds for this endpoint, these buckets and this day only."""

    endpoint: str
    bucket: str
    probe_bucket: str
    started_time: datetime
    finished_time: datetime
    checks: tuple[ProbeCheck, ...]

    @property
    def passed(self) -> bool:
        """True when every attempt went as on a WORM store."""
        return all(c.passed for c in self.checks)
