"""ReviewService; see proto/hoso/gradebook/v1/review.proto."""

from typing import cast

import grpc
from hoso.gradebook.v1 import common_pb2, review_pb2, review_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.gradebook.api import pages, window_messages
from services.gradebook.api.messages import class_ref
from services.gradebook.entry import review
from services.gradebook.entry.review import ClassCompleteness
from services.gradebook.model.anomalies import Anomaly, Cell
from services.gradebook.model.completeness import SubjectCount, percent

_READ = Access(clients=("vendor/*", "operator/department"))
ACCESS = {"GetCompleteness": _READ, "ReviewClass": _READ}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Review(database)
    return Served(
        add=lambda server: review_pb2_grpc.add_ReviewServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.ReviewService",
        access=ACCESS,
    )


class Review(review_pb2_grpc.ReviewServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def GetCompleteness(
        self, request: review_pb2.GetCompletenessRequest, context: grpc.ServicerContext
    ) -> review_pb2.GetCompletenessResponse:
        """How far entry has come."""
        after = cast(tuple[int, str], pages.decode(request.page_token, (0, "")))
        found, more = review.get_completeness(
            self._database,
            caller(),
            request.school,
            request.school_year,
            semester=request.semester,
            stage=request.stage,
            after=after,
            page_size=request.page_size,
        )
        last = found[-1].head if more else None
        return review_pb2.GetCompletenessResponse(
            classes=[_class(request.school, request.school_year, one) for one in found],
            next_page_token=pages.encode((last.grade_level, last.name)) if last else "",
        )

    def ReviewClass(
        self, request: review_pb2.ReviewClassRequest, context: grpc.ServicerContext
    ) -> review_pb2.ReviewClassResponse:
        """What looks wrong."""
        found, total = review.review_class(self._database, caller(), class_ref(request.school_class), request.semester)
        return review_pb2.ReviewClassResponse(anomalies=[_anomaly(one) for one in found], total=total)


def _class(school: str, school_year: str, one: ClassCompleteness) -> review_pb2.ClassCompleteness:
    return review_pb2.ClassCompleteness(
        school_class=common_pb2.ClassRef(school=school, school_year=school_year, name=one.head.name),
        grade_level=one.head.grade_level,
        subjects=[_subject(subject) for subject in one.counts.subjects],
        missing_conduct=one.counts.missing_conduct,
        missing_absences=one.counts.missing_absences,
        percent=one.counts.percent,
    )


def _subject(one: SubjectCount) -> review_pb2.SubjectCompleteness:
    return review_pb2.SubjectCompleteness(
        subject=one.subject.code,
        required=one.required,
        recorded=one.recorded,
        zero_by_rule=one.zero_by_rule,
        missing=one.missing,
        percent=percent(one.required, one.missing),
        teachers=[teacher.id for teacher in one.subject.teachers],
    )


def _anomaly(one: Anomaly) -> review_pb2.Anomaly:
    return review_pb2.Anomaly(
        kind=cast("review_pb2.AnomalyKind.ValueType", int(one.kind)),
        sentence=one.sentence,
        cells=[_cell(cell) for cell in one.cells],
    )


def _cell(one: Cell) -> review_pb2.AnomalyCell:
    return review_pb2.AnomalyCell(
        student=one.student.moet_student_id,
        subject=one.subject.code,
        semester=cast("common_pb2.Semester.ValueType", int(one.semester)),
        column=None if one.column is None else window_messages.mark_column(one.column),
        value=one.value,
    )
