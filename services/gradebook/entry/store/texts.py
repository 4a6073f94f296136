"""What remarks and achievements share: texts on students of which every version is kept and the
highest stands.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple


class TextRow(NamedTuple):
    """One version of a text. student: moet_student_id."""

    student: str
    text: str
    version: int
    person: str
    client: str
    time: datetime


class TextVersion(NamedTuple):
    """The newest version of a student's text."""

    student_id: int
    version: int
    text: str


def changed_texts(newest: Sequence[TextVersion], sent: Mapping[int, str]) -> list[TextVersion]:
    """The next versions of texts that differ from what stands, by student id.

    sent: student id → text.
    """
    by_student = {version.student_id: version for version in newest}
    changed = []
    for student, text in sorted(sent.items()):
        before = by_student.get(student, TextVersion(student, 0, ""))
        if text != before.text:
            changed.append(TextVersion(student, before.version + 1, text))
    return changed
