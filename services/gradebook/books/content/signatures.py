"""The list of signatories in frozen content, with the order and ranks of the catalogue."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.gradebook.model.catalogue import RecordBook, SignatoryRole
from services.gradebook.model.domain import School
from services.gradebook.model.results import NamedPerson

_FIELD_ENDS = {
    SignatoryRole.SUBJECT_TEACHER: "teacher",
    SignatoryRole.HOMEROOM_TEACHER: "homeroom",
    SignatoryRole.DATA_OFFICER: "data-officer",
    SignatoryRole.PRINCIPAL: "principal",
    SignatoryRole.SCHOOL_SEAL: "seal",
}


class Signs(NamedTuple):
    """A signatory in a role. subject: code, for subject teachers only."""

    role: SignatoryRole
    person: NamedPerson
    subject: str | None = None


def seal_of(school: School) -> Signs:
    """The school's seal, whose signatory id is the school code."""
    return Signs(SignatoryRole.SCHOOL_SEAL, NamedPerson(school.code, school.name))


def signatories(record: RecordBook, listed: Sequence[Signs]) -> list[dict[str, Any]]:
    """The rows of the signatories. listed: in the order of the catalogue's roles."""
    ranks = {signatory.role: signatory.rank for signatory in record.signatories}
    return [
        {
            "order": order,
            "rank": ranks[signs.role],
            "field": f"sig-{order:02d}-{_FIELD_ENDS[signs.role]}{f'-{signs.subject}' if signs.subject else ''}",
            "role": signs.role.name,
            "signatory": signs.person.id,
            "name": signs.person.name,
            "subject": signs.subject,
        }
        for order, signs in enumerate(listed, 1)
    ]
