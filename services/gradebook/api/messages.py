"""What several servicers read and write: class references, students and guardians, texts on
students, the correction behind a version.
"""

from collections.abc import Iterable
from typing import TypeVar, cast

from hoso.gradebook.v1 import achievements_pb2, common_pb2, marks_pb2, remarks_pb2, roster_pb2

from services.common.message_fields import timestamp
from services.gradebook.entry.store.history import DataVersionRow, VersionRow
from services.gradebook.entry.store.texts import TextRow
from services.gradebook.model.domain import ClassRef, Guardian, Student

Text = TypeVar("Text", remarks_pb2.Remark, achievements_pb2.Achievement)


def class_ref(message: common_pb2.ClassRef) -> ClassRef:
    """A class as a message names it."""
    return ClassRef(message.school, message.school_year, message.name)


def student(message: roster_pb2.Student) -> Student:
    """A student as a message describes them."""
    return Student(
        message.moet_student_id,
        message.number,
        message.name,
        message.birth_date,
        message.birth_place,
        message.sex,
        message.ethnicity,
        message.priority,
        message.address,
        guardian(message.father) if message.HasField("father") else None,
        guardian(message.mother) if message.HasField("mother") else None,
        message.note,
    )


def guardian(message: roster_pb2.Guardian) -> Guardian:
    """A father, mother or guardian as a message describes them."""
    return Guardian(message.name, message.job, message.phone, message.email)


def student_message(student: Student) -> roster_pb2.Student:
    """A student as messages carry them."""
    return roster_pb2.Student(
        moet_student_id=student.moet_student_id,
        number=student.number,
        name=student.name,
        birth_date=student.birth_date,
        birth_place=student.birth_place,
        sex=cast("common_pb2.Sex.ValueType", student.sex),
        ethnicity=student.ethnicity,
        priority=student.priority,
        address=student.address,
        father=guardian_message(student.father),
        mother=guardian_message(student.mother),
        note=student.note,
        joined_on=student.joined_on,
        left_on=student.left_on,
    )


def guardian_message(person: Guardian | None) -> roster_pb2.Guardian | None:
    """A father, mother or guardian as messages carry them; None for none."""
    if person is None:
        return None
    return roster_pb2.Guardian(name=person.name, job=person.job, phone=person.phone, email=person.email)


def texts(message_type: type[Text], rows: Iterable[TextRow]) -> list[Text]:
    """Remarks or achievements as messages carry them."""
    return [
        message_type(
            student=row.student,
            text=row.text,
            version=row.version,
            person=row.person,
            client=row.client,
            time=timestamp(row.time),
        )
        for row in rows
    ]


def version_correction(row: VersionRow | DataVersionRow) -> marks_pb2.VersionCorrection | None:
    """The correction that made a version; None for none."""
    if row.correction is None:
        return None
    return marks_pb2.VersionCorrection(
        id=str(row.correction),
        requested_by=row.requested_by or "",
        confirmed_by=row.confirmed_by or "",
        approved_by=row.person,
    )
