"""CorrectionService; see proto/hoso/gradebook/v1/corrections.proto."""

from collections.abc import Mapping
from typing import cast

import grpc
from hoso.gradebook.v1 import class_book_pb2, common_pb2, corrections_pb2, corrections_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size, timestamp
from services.gradebook.api import class_book_service, pages, window_messages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref, version_correction
from services.gradebook.api.request_identity import request_identity
from services.gradebook.corrections import corrections, decisions
from services.gradebook.corrections.correctable import WantedCorrection, WantedSession
from services.gradebook.entry import reads
from services.gradebook.entry.store.corrections import CorrectionRow, StepRow
from services.gradebook.entry.store.history import DataVersionRow
from services.gradebook.model.checks import Findings
from services.gradebook.model.correction_rules import (
    EXCUSED_TOTAL,
    OF_CONDUCT,
    UNEXCUSED_TOTAL,
    Change,
    CorrectionKind,
    CorrectionState,
)
from services.gradebook.model.domain import PROTO_LEVEL_NUMBERS, keyed_text
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission

_LEVELS = {int(level): number for level, number in PROTO_LEVEL_NUMBERS.items()}
"""Level as in the database → number of the proto."""

_ENTRY_KINDS: dict[int, str] = {
    **dict.fromkeys((EntryKind.CONDUCT, EntryKind.ABSENCES, EntryKind.ATTENDANCE), "ENTRY"),
    **dict.fromkeys((EntryKind.CARRIED_CONDUCT, EntryKind.CARRIED_ABSENCES), "CARRIED_OVER"),
    EntryKind.CORRECTION: "CORRECTION",
}

_READ = Access(clients=("vendor/*", "operator/department"))
ACCESS = {
    "RequestCorrection": access_for(Permission.REQUEST_MARK_CORRECTION, Permission.REQUEST_CLASS_CORRECTION),
    "ConfirmCorrection": access_for(Permission.CONFIRM_CORRECTION),
    "DecideCorrection": access_for(Permission.APPROVE_CORRECTION, Permission.REJECT_CORRECTION),
    "WithdrawCorrection": access_for(Permission.WITHDRAW_CORRECTION),
    "GetCorrection": _READ,
    "ListCorrections": _READ,
    "GetDataHistory": Access(clients=("vendor/*",)),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Corrections(database)
    return Served(
        add=lambda server: corrections_pb2_grpc.add_CorrectionServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.CorrectionService",
        access=ACCESS,
    )


class Corrections(corrections_pb2_grpc.CorrectionServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def RequestCorrection(
        self, request: corrections_pb2.RequestCorrectionRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.RequestCorrectionResponse:
        """Request another value."""
        requester = caller()
        identity = request_identity(request, request.request_id, requester)
        row = corrections.request_correction(self._database, requester, identity, _wanted(request))
        return corrections_pb2.RequestCorrectionResponse(correction=_correction(row))

    def ConfirmCorrection(
        self, request: corrections_pb2.ConfirmCorrectionRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.ConfirmCorrectionResponse:
        """Confirm a request."""
        row = decisions.confirm(self._database, caller(), request.correction, request.note)
        return corrections_pb2.ConfirmCorrectionResponse(correction=_correction(row))

    def DecideCorrection(
        self, request: corrections_pb2.DecideCorrectionRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.DecideCorrectionResponse:
        """Approve or reject."""
        row = decisions.decide(self._database, caller(), request.correction, request.note, approve=request.approve)
        return corrections_pb2.DecideCorrectionResponse(correction=_correction(row))

    def WithdrawCorrection(
        self, request: corrections_pb2.WithdrawCorrectionRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.WithdrawCorrectionResponse:
        """Withdraw a request."""
        row = decisions.withdraw(self._database, caller(), request.correction)
        return corrections_pb2.WithdrawCorrectionResponse(correction=_correction(row))

    def GetCorrection(
        self, request: corrections_pb2.GetCorrectionRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.GetCorrectionResponse:
        """One correction."""
        row = corrections.get_correction(self._database, caller(), request.correction)
        return corrections_pb2.GetCorrectionResponse(correction=_correction(row))

    def ListCorrections(
        self, request: corrections_pb2.ListCorrectionsRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.ListCorrectionsResponse:
        """The corrections of a year."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[int], pages.decode(request.page_token, (0,)))
        page = corrections.list_corrections(
            self._database,
            caller(),
            school=request.school,
            school_year=request.school_year,
            class_name=request.class_name,
            state=request.state,
            after=after,
            limit=limit,
        )
        return corrections_pb2.ListCorrectionsResponse(
            corrections=[_correction(row) for row in page],
            next_page_token=pages.encode((page[-1].number,)) if len(page) == limit else "",
        )

    def GetDataHistory(
        self, request: corrections_pb2.GetDataHistoryRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.GetDataHistoryResponse:
        """Every version of a student's conduct, absences or attendance of a month."""
        versions = reads.data_history(
            self._database,
            caller(),
            class_ref(request.school_class),
            kind=request.kind,
            semester=request.semester,
            month=request.month,
            student=request.student,
        )
        return corrections_pb2.GetDataHistoryResponse(versions=[_version(request.kind, row) for row in versions])


def _wanted(request: corrections_pb2.RequestCorrectionRequest) -> WantedCorrection:
    absences, column = request.new_absences, request.column
    return WantedCorrection(
        kind=_kind(request),
        ref=class_ref(request.school_class),
        subject=request.subject,
        semester=request.semester,
        column=(column.kind, column.position) if request.HasField("column") else None,
        student=request.student,
        new_value=request.new_value,
        new_level=request.new_level,
        new_absences=(absences.excused, absences.unexcused) if request.HasField("new_absences") else None,
        month=request.month,
        sessions=tuple(WantedSession(session.day, session.session, session.new) for session in request.sessions),
        reason=request.reason,
        evidence=request.evidence.description,
        evidence_sha256=request.evidence.sha256,
    )


def _kind(request: corrections_pb2.RequestCorrectionRequest) -> CorrectionKind:
    """The kind of a correction. Raises Invalid ENUM."""
    if not request.kind:
        # Requests about marks and conduct may leave the kind out.
        of_mark = request.subject or request.new_value or request.HasField("column")
        return CorrectionKind.MARK if of_mark else CorrectionKind.CONDUCT
    findings = Findings()
    findings.one_of("kind", request.kind, set(CorrectionKind))
    findings.refuse()
    return CorrectionKind(request.kind)


def _correction(row: CorrectionRow) -> corrections_pb2.Correction:
    kind, old, new = row.datum.kind, row.changes[0].old, row.changes[0].new
    of_mark, of_conduct = kind is CorrectionKind.MARK, kind in OF_CONDUCT
    return corrections_pb2.Correction(
        id=str(row.id),
        state=cast("corrections_pb2.CorrectionState.ValueType", row.state),
        kind=cast("corrections_pb2.CorrectionKind.ValueType", int(kind)),
        school_class=common_pb2.ClassRef(school=row.school, school_year=row.school_year, name=row.class_name),
        subject=row.subject,
        # The level after summer training belongs to no semester.
        semester=cast(
            "common_pb2.Semester.ValueType", 0 if kind is CorrectionKind.SUMMER_CONDUCT else row.datum.semester or 0
        ),
        column=window_messages.mark_column(row.datum.column) if of_mark else None,
        student=row.student,
        old_value=keyed_text(old) if of_mark else "",
        old_version=row.old_version,
        new_value=keyed_text(new) or "-" if of_mark else "",
        new_version=row.old_version + 1 if row.state == CorrectionState.APPROVED else 0,
        old_level=_level(old if of_conduct else None),
        new_level=_level(new if of_conduct else None),
        old_absences=_totals(
            {change.place: change.old for change in row.changes} if kind is CorrectionKind.ABSENCES else {}
        ),
        new_absences=_totals(
            {change.place: change.new for change in row.changes} if kind is CorrectionKind.ABSENCES else {}
        ),
        month=row.datum.month,
        sessions=[_session(change) for change in row.changes] if kind is CorrectionKind.ATTENDANCE else [],
        reason=row.reason,
        evidence=corrections_pb2.Evidence(description=row.evidence, sha256=row.evidence_sha256 or b""),
        requested=_step(row.requested),
        confirmed=_step(row.confirmed),
        decided=_step(row.decided),
        withdrawn=_step(row.withdrawn),
        snapshot=None if row.snapshot is None else window_messages.snapshot(row.school, row.school_year, row.snapshot),
        voided_books=[str(book_id) for book_id in row.voided_books],
    )


def _totals(values: Mapping[int, int | None]) -> corrections_pb2.AbsenceTotals | None:
    excused, unexcused = values.get(EXCUSED_TOTAL), values.get(UNEXCUSED_TOTAL)
    if excused is None or unexcused is None:
        return None
    return corrections_pb2.AbsenceTotals(excused=excused, unexcused=unexcused)


def _session(change: Change) -> corrections_pb2.SessionCorrection:
    old, new = (cast("corrections_pb2.Attendance.ValueType", value or 0) for value in (change.old, change.new))
    day, session = divmod(change.place, 10)
    return corrections_pb2.SessionCorrection(
        day=day, session=cast("class_book_pb2.Session.ValueType", session), old=old, new=new
    )


def _level(rank: int | None) -> "common_pb2.Level.ValueType":
    return cast("common_pb2.Level.ValueType", 0 if rank is None else _LEVELS[rank])


def _version(kind: int, row: DataVersionRow) -> corrections_pb2.DataVersion:
    return corrections_pb2.DataVersion(
        version=row.version,
        level=_level(row.values[0] if kind in OF_CONDUCT else None),
        absences=_totals(dict(enumerate(row.values, EXCUSED_TOTAL))) if kind == CorrectionKind.ABSENCES else None,
        sessions=[] if row.absences is None else class_book_service.absences(row.absences),
        person=row.person,
        client=row.client,
        time=timestamp(row.time),
        reason=row.reason,
        kind=_ENTRY_KINDS[row.kind],
        correction=version_correction(row),
    )


def _step(step: StepRow | None) -> corrections_pb2.CorrectionStep | None:
    if step is None:
        return None
    return corrections_pb2.CorrectionStep(
        person=step.person, client=step.client, time=timestamp(step.time), note=step.note
    )
