"""The list of signatories in frozen content, in the order and with the ranks of the catalogue."""

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
    """Who signs in a role. subject: code, of subject teachers only."""

    role: SignatoryRole
    who: NamedPerson
    subject: str | None = None


def seal_of(school: School) -> Signs:
    """The school's seal, whose signatory id is the school code."""
    return Signs(SignatoryRole.SCHOOL_SEAL, NamedPerson(school.code, school.name))


def signatories(record: RecordBook, listed: Sequence[Signs]) -> list[dict[str, Any]]:
    """The rows of those who sign, who are listed in the order of the catalogue's roles."""
    ranks = {one.role: one.rank for one in record.signatories}
    return [
        {
            "order": order,
            "rank": ranks[one.role],
            "field": f"sig-{order:02d}-{_FIELD_ENDS[one.role]}{f'-{one.subject}' if one.subject else ''}",
            "role": one.role.name,
            "signatory": one.who.id,
            "name": one.who.name,
            "subject": one.subject,
        }
        for order, one in enumerate(listed, 1)
    ]
