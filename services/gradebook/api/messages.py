"""What several servicers read and write: class references, students and guardians, texts on students."""

from collections.abc import Iterable
from typing import TypeVar, cast

from hoso.gradebook.v1 import achievements_pb2, common_pb2, remarks_pb2, roster_pb2

from services.common.message_fields import timestamp
from services.gradebook.entry.store.texts import TextRow
from services.gradebook.model.domain import (
    ClassRef,
    Guardian,
    Student,
)

Text = TypeVar("Text", remarks_pb2.Remark, achievements_pb2.Achievement)


def class_ref(message: common_pb2.ClassRef) -> ClassRef:
    """A class as a message names it."""
    return ClassRef(message.school, message.school_year, message.name)


def student(one: roster_pb2.Student) -> Student:
    """A student as a message describes them."""
    return Student(
        one.moet_student_id,
        one.number,
        one.name,
        one.birth_date,
        one.birth_place,
        one.sex,
        one.ethnicity,
        one.priority,
        one.address,
        guardian(one.father) if one.HasField("father") else None,
        guardian(one.mother) if one.HasField("mother") else None,
        one.note,
    )


def guardian(one: roster_pb2.Guardian) -> Guardian:
    """A father, mother or guardian as a message describes them."""
    return Guardian(one.name, one.job, one.phone, one.email)


def student_message(one: Student) -> roster_pb2.Student:
    """A student as messages carry them."""
    return roster_pb2.Student(
        moet_student_id=one.moet_student_id,
        number=one.number,
        name=one.name,
        birth_date=one.birth_date,
        birth_place=one.birth_place,
        sex=cast("common_pb2.Sex.ValueType", one.sex),
        ethnicity=one.ethnicity,
        priority=one.priority,
        address=one.address,
        father=guardian_message(one.father),
        mother=guardian_message(one.mother),
        note=one.note,
        joined_on=one.joined_on,
        left_on=one.left_on,
    )


def guardian_message(one: Guardian | None) -> roster_pb2.Guardian | None:
    """A father, mother or guardian as messages carry them; None, an absent field, stays None."""
    return None if one is None else roster_pb2.Guardian(name=one.name, job=one.job, phone=one.phone, email=one.email)


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
