"""ArchiveService over gRPC: messages ↔ arguments. See proto/hoso/archive/v1/archive.proto."""

import hashlib
from collections.abc import Iterator, Sequence

import grpc
from hoso.archive.v1 import archive_pb2 as pb
from hoso.archive.v1 import archive_pb2_grpc

from services.archive import comparison, store, usecases
from services.archive.domain import Kind, Policy, Record
from services.archive.report import Check
from services.archive.verification import Verifier
from services.common import standing
from services.common.errors import Invalid, NotFound, Rejected, Violation
from services.common.grpc_server import Served
from services.common.identity import Access
from services.common.message_fields import before_id, page_size, timestamp

_PREFIX = "RECORD_KIND_"
_READERS = Access(clients=("operator/department", "vendor/*"))
_OPERATOR = Access(clients=("operator/department",))
ACCESS = {
    "GetRecord": _READERS,
    "ListRecords": _READERS,
    "VerifyRecord": _READERS,
    "DownloadRecord": _READERS,
    "GetStoreReport": _OPERATOR,
    "ListRetentionPolicies": _OPERATOR,
    "PutRetentionPolicy": _OPERATOR,
    "GetComparison": _OPERATOR,
    "CompareStore": _OPERATOR,
}


def served(verifier: Verifier, endpoint: str) -> Served:
    """ArchiveService, ready for `grpc_server.serve`. endpoint: of the configured store, for its
    report.
    """
    servicer = Archive(verifier, endpoint)
    return Served(
        add=lambda server: archive_pb2_grpc.add_ArchiveServiceServicer_to_server(servicer, server),
        name="hoso.archive.v1.ArchiveService",
        access=ACCESS,
    )


class Archive(archive_pb2_grpc.ArchiveServiceServicer):
    """The servicer; errors are raised as those of `services.common.errors`."""

    def __init__(self, verifier: Verifier, endpoint: str) -> None:
        self._verifier = verifier
        self._database = verifier.database
        self._endpoint = endpoint

    def GetRecord(self, request: pb.GetRecordRequest, context: grpc.ServicerContext) -> pb.GetRecordResponse:
        """A record of the register."""
        with self._database.transaction() as tx:
            return pb.GetRecordResponse(record=_record(usecases.readable_record(tx, request.record)))

    def ListRecords(self, request: pb.ListRecordsRequest, context: grpc.ServicerContext) -> pb.ListRecordsResponse:
        """A school's records, newest first."""
        size = page_size(request.page_size)
        before = before_id(request.page_token)
        kind = _kind(request.kind, "kind") if request.kind else None
        with self._database.transaction() as tx:
            years = standing.years_to_read(tx, request.school)
            records = store.list_records(tx, request.school, kind=kind, years=years, limit=size, before=before)
        token = str(records[-1].sequence) if len(records) == size else ""
        return pb.ListRecordsResponse(records=map(_record, records), next_page_token=token)

    def VerifyRecord(self, request: pb.VerifyRecordRequest, context: grpc.ServicerContext) -> pb.VerifyRecordResponse:
        """Read the locked object again and check everything."""
        record, report = self._verifier.verify(request.record)
        return pb.VerifyRecordResponse(
            record=_record(record),
            valid=report.valid,
            checks=_checks(report.checks),
            signatures=[
                pb.SignatureReport(
                    field=s.field,
                    order=s.order,
                    role=s.role,
                    signatory=s.signatory,
                    name=s.name,
                    sign_time=timestamp(s.sign_time),
                    valid=s.valid,
                )
                for s in report.signatures
            ],
        )

    def DownloadRecord(
        self, request: pb.DownloadRecordRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadRecordResponse]:
        """The object's bytes; the stream fails at its end when they are not those of the
        register.
        """
        with self._database.transaction() as tx:
            record = usecases.readable_record(tx, request.record)
        digest = hashlib.sha256()
        pieces = self._verifier.worm.chunks(record.key, record.version_id)
        for chunk in standing.while_allowed(self._database, record.school, pieces, record.school_year):
            digest.update(chunk)
            yield pb.DownloadRecordResponse(chunk=chunk)
        if digest.digest() != record.object_sha256:
            raise Rejected("DIGEST_MISMATCH", "Nội dung không khớp với mã băm đã ghi nhận.", record=request.record)

    def GetComparison(
        self, request: pb.GetComparisonRequest, context: grpc.ServicerContext
    ) -> pb.GetComparisonResponse:
        """The newest comparison of journal, register and store."""
        with self._database.transaction() as tx:
            newest = store.newest_comparison(tx)
        if newest is None:
            raise NotFound("NOT_COMPARED", "Chưa đối chiếu sổ đăng kí lưu trữ với kho lưu trữ lần nào.")
        return pb.GetComparisonResponse(
            start_time=timestamp(newest.started_time),
            finish_time=timestamp(newest.finished_time),
            records=newest.records,
            objects=newest.objects,
            difference_count=newest.differences,
            differences=[pb.Difference(**difference) for difference in newest.listed],
        )

    def CompareStore(self, request: pb.CompareStoreRequest, context: grpc.ServicerContext) -> pb.CompareStoreResponse:
        """Queue a comparison, on record."""
        with self._database.transaction() as tx:
            comparison.queue_asked(tx)
        return pb.CompareStoreResponse()

    def GetStoreReport(
        self, request: pb.GetStoreReportRequest, context: grpc.ServicerContext
    ) -> pb.GetStoreReportResponse:
        """The newest probe of the configured store."""
        with self._database.transaction() as tx:
            newest = store.newest_probe(tx, self._endpoint, self._verifier.worm.bucket)
        if newest is None:
            raise NotFound("STORE_NOT_PROBED", "Kho lưu trữ chưa được kiểm tra.", endpoint=self._endpoint)
        return pb.GetStoreReportResponse(
            store=f"{self._endpoint}/{self._verifier.worm.bucket}",
            probe_time=timestamp(newest.finished_time),
            passed=newest.passed,
            checks=_checks(newest.checks),
        )

    def ListRetentionPolicies(
        self, request: pb.ListRetentionPoliciesRequest, context: grpc.ServicerContext
    ) -> pb.ListRetentionPoliciesResponse:
        """The policies in force."""
        with self._database.transaction() as tx:
            return pb.ListRetentionPoliciesResponse(policies=[_policy(p) for p in store.policies(tx)])

    def PutRetentionPolicy(
        self, request: pb.PutRetentionPolicyRequest, context: grpc.ServicerContext
    ) -> pb.PutRetentionPolicyResponse:
        """Add a version of a policy."""
        asked = Policy(
            kind=_kind(request.policy.kind, "policy.kind"),
            version=0,
            years=request.policy.years,
            permanent=request.policy.permanent,
            legal_reference=request.policy.legal_reference,
        )
        with self._database.transaction() as tx:
            return pb.PutRetentionPolicyResponse(policy=_policy(usecases.put_policy(tx, asked)))


def _kind(number: "pb.RecordKind.ValueType", field: str) -> Kind:
    try:
        return Kind(pb.RecordKind.Name(number).removeprefix(_PREFIX))
    except ValueError as e:
        raise Invalid([Violation(field, "RECORD_KIND", "Phải chọn loại hồ sơ lưu trữ.")]) from e


def _number(kind: str) -> "pb.RecordKind.ValueType":
    return pb.RecordKind.Value(f"{_PREFIX}{kind}")


def _record(record: Record) -> pb.Record:
    return pb.Record(
        id=str(record.id),
        kind=_number(record.kind),
        school=record.school,
        school_year=record.school_year,
        source=record.source,
        version=record.version,
        content_sha256=record.content_sha256,
        object_sha256=record.object_sha256,
        size_bytes=record.size_bytes,
        bucket=record.bucket,
        key=record.key,
        version_id=record.version_id,
        retain_until_time=timestamp(record.retain_until),
        archive_time=timestamp(record.archive_time),
        retention_policy=f"{record.kind}/{record.policy_version}",
    )


def _policy(policy: Policy) -> pb.RetentionPolicy:
    return pb.RetentionPolicy(
        kind=_number(policy.kind),
        version=policy.version,
        years=policy.years,
        permanent=policy.permanent,
        legal_reference=policy.legal_reference,
    )


def _checks(checks: Sequence[Check]) -> list[pb.Check]:
    return [pb.Check(name=c.name, passed=c.passed, detail=c.detail) for c in checks]
