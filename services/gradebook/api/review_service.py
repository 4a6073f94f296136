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
        classes, more = review.get_completeness(
            self._database,
            caller(),
            request.school,
            request.school_year,
            semester=request.semester,
            stage=request.stage,
            after=after,
            page_size=request.page_size,
        )
        last = classes[-1].head if more else None
        return review_pb2.GetCompletenessResponse(
            classes=[_class(request.school, request.school_year, row) for row in classes],
            next_page_token=pages.encode((last.grade_level, last.name)) if last else "",
        )

    def ReviewClass(
        self, request: review_pb2.ReviewClassRequest, context: grpc.ServicerContext
    ) -> review_pb2.ReviewClassResponse:
        """What looks wrong in a class."""
        anomalies, total = review.review_class(
            self._database, caller(), class_ref(request.school_class), request.semester
        )
        return review_pb2.ReviewClassResponse(anomalies=[_anomaly(anomaly) for anomaly in anomalies], total=total)


def _class(school: str, school_year: str, row: ClassCompleteness) -> review_pb2.ClassCompleteness:
    return review_pb2.ClassCompleteness(
        school_class=common_pb2.ClassRef(school=school, school_year=school_year, name=row.head.name),
        grade_level=row.head.grade_level,
        subjects=[_subject(subject) for subject in row.counts.subjects],
        missing_conduct=row.counts.missing_conduct,
        missing_absences=row.counts.missing_absences,
        percent=row.counts.percent,
    )


def _subject(count: SubjectCount) -> review_pb2.SubjectCompleteness:
    return review_pb2.SubjectCompleteness(
        subject=count.subject.code,
        required=count.required,
        recorded=count.recorded,
        zero_by_rule=count.zero_by_rule,
        missing=count.missing,
        percent=percent(count.required, count.missing),
        teachers=[teacher.id for teacher in count.subject.teachers],
    )


def _anomaly(anomaly: Anomaly) -> review_pb2.Anomaly:
    return review_pb2.Anomaly(
        kind=cast("review_pb2.AnomalyKind.ValueType", int(anomaly.kind)),
        sentence=anomaly.sentence,
        cells=[_cell(cell) for cell in anomaly.cells],
    )


def _cell(cell: Cell) -> review_pb2.AnomalyCell:
    return review_pb2.AnomalyCell(
        student=cell.student.moet_student_id,
        subject=cell.subject.code,
        semester=cast("common_pb2.Semester.ValueType", int(cell.semester)),
        column=None if cell.column is None else window_messages.mark_column(cell.column),
        value=cell.value,
    )
