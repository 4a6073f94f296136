"""Findings in a workbook: problems and notes by sheet and cell, each one Vietnamese sentence."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An ERROR keeps a sheet from being sent; a WARNING or NOTE does not."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. sheet: its title, empty for the whole file; cell: such as ``F12``, or empty."""

    severity: Severity
    sheet: str
    cell: str
    rule: str
    message: str

    def __str__(self) -> str:
        place = (
            f"Ô {self.cell}, sheet «{self.sheet}»" if self.cell else f"Sheet «{self.sheet}»" if self.sheet else "Tệp"
        )
        return f"{place}: {self.message}"

    def as_json(self) -> dict[str, str]:
        """The finding for scripts."""
        return {key: str(value) for key, value in asdict(self).items()}


class Findings:
    """Collects the findings of one worksheet."""

    def __init__(self, sheet: str = "") -> None:
        self.sheet = sheet
        self.items: list[Finding] = []

    def error(self, cell: str, rule: str, message: str) -> None:
        """Report a problem that must be fixed before the sheet can be sent."""
        self.items.append(Finding(Severity.ERROR, self.sheet, cell, rule, message))

    def warn(self, cell: str, rule: str, message: str) -> None:
        """Report a probable problem that does not affect what is sent."""
        self.items.append(Finding(Severity.WARNING, self.sheet, cell, rule, message))

    def note(self, cell: str, rule: str, message: str) -> None:
        """Report what was left out or kept."""
        self.items.append(Finding(Severity.NOTE, self.sheet, cell, rule, message))

    @property
    def bad(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.severity is Severity.ERROR for finding in self.items)
