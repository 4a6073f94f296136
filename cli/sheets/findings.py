"""What is wrong, or worth knowing, in a workbook: by sheet and cell, one Vietnamese sentence each."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR keeps a sheet from being sent; WARNING and NOTE do not."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. sheet: title of the worksheet, empty for the whole file; cell: such as ``F12``, empty for none."""

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
        self.found: list[Finding] = []

    def error(self, cell: str, rule: str, message: str) -> None:
        """Something that must be put right before the sheet can be sent."""
        self.found.append(Finding(Severity.ERROR, self.sheet, cell, rule, message))

    def warn(self, cell: str, rule: str, message: str) -> None:
        """Something that is probably wrong but does not concern what is sent."""
        self.found.append(Finding(Severity.WARNING, self.sheet, cell, rule, message))

    def note(self, cell: str, rule: str, message: str) -> None:
        """Something that was understood or left out, and is told."""
        self.found.append(Finding(Severity.NOTE, self.sheet, cell, rule, message))

    @property
    def bad(self) -> bool:
        """Whether anything found is an error."""
        return any(one.severity is Severity.ERROR for one in self.found)
