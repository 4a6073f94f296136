"""CorrectionService; see proto/hoso/gradebook/v1/corrections.proto."""

from typing import cast

import grpc
from hoso.gradebook.v1 import common_pb2, corrections_pb2, corrections_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size, timestamp
from services.gradebook.corrections import CONDUCT_COLUMN, State
from services.gradebook.domain import PROTO_LEVEL_NUMBERS, keyed_text
from services.gradebook.service import pages, window_messages
from services.gradebook.service.request_identity import request_identity
from services.gradebook.service.roster_service import class_ref
from services.gradebook.store.corrections import CorrectionRow, StepRow
from services.gradebook.usecases import corrections, decisions
from services.gradebook.usecases.corrections import Wanted

_LEVELS = {int(level): number for level, number in PROTO_LEVEL_NUMBERS.items()}
"""Rank as the database holds it → number of the proto."""

_PERSON = Access(clients=("vendor/*",), person=True)
_READ = Access(clients=("vendor/*", "operator/department"))
ACCESS = {
    "RequestCorrection": _PERSON,
    "ConfirmCorrection": _PERSON,
    "DecideCorrection": _PERSON,
    "WithdrawCorrection": _PERSON,
    "GetCorrection": _READ,
    "ListCorrections": _READ,
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
        """Ask for another value in one cell."""
        who = caller()
        column = (request.column.kind, request.column.position) if request.HasField("column") else None
        wanted = Wanted(
            ref=class_ref(request.school_class),
            subject=request.subject,
            semester=request.semester,
            column=column,
            student=request.student,
            new_value=request.new_value,
            new_level=request.new_level,
            reason=request.reason,
            evidence=request.evidence.description,
            evidence_sha256=request.evidence.sha256,
        )
        identity = request_identity(request, request.request_id, who)
        row = corrections.request_correction(self._database, who, identity, wanted)
        return corrections_pb2.RequestCorrectionResponse(correction=_correction(row))

    def ConfirmCorrection(
        self, request: corrections_pb2.ConfirmCorrectionRequest, context: grpc.ServicerContext
    ) -> corrections_pb2.ConfirmCorrectionResponse:
        """Certify a request."""
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
        """Take a request back."""
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
        found = corrections.list_corrections(
            self._database,
            caller(),
            request.school,
            request.school_year,
            request.class_name,
            request.state,
            after,
            limit,
        )
        return corrections_pb2.ListCorrectionsResponse(
            corrections=[_correction(one) for one in found],
            next_page_token=pages.encode((found[-1].number,)) if len(found) == limit else "",
        )


def _correction(row: CorrectionRow) -> corrections_pb2.Correction:
    of_conduct = row.column == CONDUCT_COLUMN
    return corrections_pb2.Correction(
        id=str(row.id),
        state=cast("corrections_pb2.CorrectionState.ValueType", row.state),
        school_class=common_pb2.ClassRef(school=row.school, school_year=row.school_year, name=row.class_name),
        subject=row.subject,
        semester=cast("common_pb2.Semester.ValueType", row.semester),
        column=None if of_conduct else window_messages.mark_column(row.column),
        student=row.student,
        old_value="" if of_conduct else keyed_text(row.old_value),
        old_version=row.old_version,
        new_value="" if of_conduct else keyed_text(row.new_value) or "-",
        new_version=row.old_version + 1 if row.state == State.APPROVED else 0,
        old_level=_level(row.old_value if of_conduct else None),
        new_level=_level(row.new_value if of_conduct else None),
        reason=row.reason,
        evidence=corrections_pb2.Evidence(description=row.evidence, sha256=row.evidence_sha256 or b""),
        requested=_step(row.requested),
        confirmed=_step(row.confirmed),
        decided=_step(row.decided),
        withdrawn=_step(row.withdrawn),
        snapshot=None if row.snapshot is None else window_messages.snapshot(row.school, row.school_year, row.snapshot),
        voided_books=[str(one) for one in row.voided_books],
    )


def _level(rank: int | None) -> "common_pb2.Level.ValueType":
    return cast("common_pb2.Level.ValueType", 0 if rank is None else _LEVELS[rank])


def _step(step: StepRow | None) -> corrections_pb2.CorrectionStep | None:
    if step is None:
        return None
    return corrections_pb2.CorrectionStep(
        person=step.person, client=step.client, time=timestamp(step.time), note=step.note
    )
