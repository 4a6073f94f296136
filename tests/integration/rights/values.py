"""What a usual request about school A says: acts that differ from it, and values by field.

A value may name an id that is looked up when the city runs, such as ``{book}``, or ``{new}``. None
leaves a field out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hoso.archive.v1 import archive_pb2
from hoso.gradebook.v1 import common_pb2, corrections_pb2, dossiers_pb2, register_pb2, roster_pb2
from hoso.signing.v1 import signing_pb2

from tests.integration.rights.city import CLASS, SUBJECT, YEAR, A

_DAY = "2026-01-19"


@dataclass(frozen=True)
class Act:
    """A request of an RPC that has fields of its own. words: what to call it where an RPC has
    several; only: whether it has no other fields.
    """

    words: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    only: bool = False


def _of_a_class(**fields: Any) -> dict[str, Any]:
    school_class = {"school": A.school, "school_year": YEAR, "name": CLASS}
    return {"request_id": "{new}", "school_class": school_class, "student": "{other student}", **fields}


def _moved(kind: int, **fields: Any) -> dict[str, Any]:
    where = {"school": A.school, "school_year": YEAR, "student": A.student, "date": _DAY, "kind": kind}
    return {**where, **fields}


_ASKED = {"reason": "Nhập nhầm điểm của bài khác", "evidence": {"description": "Bài thi"}, "semester": 1}
_BOOK = {"student": "", "teacher": "", "subject": "", "stage": common_pb2.STAGE_SEMESTER_1}

ACTS: Mapping[str, tuple[Act, ...]] = {
    "ActivateKey": (Act("of the teacher"), Act("of the seal", {"signatory": A.school})),
    "ActOnBooks": (Act("", {"acts": [{"lock_book": {"book": "{book}"}}]}),),
    "DeactivateKey": (Act("of the teacher"), Act("of the seal", {"signatory": A.school})),
    "DecideCorrection": (Act("approve", {"approve": True}), Act("reject", {"note": "Không đủ căn cứ"})),
    "EnterRemarks": (Act("of the subject"), Act("of the homeroom teacher", {"subject": ""})),
    "FreezeBook": (
        Act("class book", {**_BOOK, "record_type": common_pb2.RECORD_TYPE_CLASS_BOOK}),
        Act(
            "teacher's book",
            {
                "school_class": {"school": A.school, "school_year": YEAR},
                "record_type": common_pb2.RECORD_TYPE_TEACHER_BOOK,
                "subject": SUBJECT,
                "teacher": A.teacher,
                "stage": common_pb2.STAGE_WHOLE_YEAR,
            },
            only=True,
        ),
        Act(
            "transcript",
            {
                **_BOOK,
                "record_type": common_pb2.RECORD_TYPE_TRANSCRIPT,
                "student": A.student,
                "stage": common_pb2.STAGE_WHOLE_YEAR,
            },
        ),
        Act(
            "student register",
            {
                "school_class": {"school": A.school, "school_year": YEAR},
                "record_type": common_pb2.RECORD_TYPE_STUDENT_REGISTER,
                "stage": common_pb2.STAGE_WHOLE_YEAR,
            },
            only=True,
        ),
    ),
    "FreezeClassTranscripts": (Act("", {"stage": common_pb2.STAGE_WHOLE_YEAR}),),
    "GetCompleteness": (Act("", {"semester": common_pb2.SEMESTER_UNSPECIFIED}),),
    "ListPending": (Act("of the teacher"), Act("of the seal", {"signatory": A.school})),
    "PutPeople": (
        Act("a teacher", {"people": [{"id": "gv-moi", "name": "Lê An", "roles": [common_pb2.ROLE_TEACHER]}]}),
        Act("a principal", {"people": [{"id": "ht-moi", "name": "Lê An", "roles": [common_pb2.ROLE_PRINCIPAL]}]}),
    ),
    "PutSignatory": (
        Act(
            "",
            {
                "signatory": {
                    "id": A.teacher,
                    "school": A.school,
                    "name": "{name of the teacher}",
                    "key_uri": "{key of the teacher}",
                    "algorithm": "{algorithm of the teacher}",
                    "custody": signing_pb2.KEY_CUSTODY_HSM_PARTITION,
                    "certificate_chain": "{certificates of the teacher}",
                }
            },
        ),
    ),
    "RecordMovement": (
        Act(
            "a suspension",
            _moved(
                register_pb2.MOVEMENT_KIND_SUSPENDED,
                reason="Theo gia đình",
                decision={"number": "15/QĐ-THCS", "date": _DAY},
            ),
            only=True,
        ),
        Act("papers returned", _moved(register_pb2.MOVEMENT_KIND_PAPERS_RETURNED), only=True),
    ),
    "RequestCorrection": (
        Act(
            "of a mark",
            _of_a_class(subject=SUBJECT, column={"kind": common_pb2.MARK_KIND_MIDTERM}, new_value="1", **_ASKED),
            only=True,
        ),
        Act(
            "of conduct",
            _of_a_class(
                kind=corrections_pb2.CORRECTION_KIND_CONDUCT, new_level=common_pb2.LEVEL_SATISFACTORY, **_ASKED
            ),
            only=True,
        ),
    ),
}
"""RPCs with several requests, or with another one than VALUES give."""

VALUES: Mapping[str, Any] = {
    "school": A.school,
    "school_year": YEAR,
    "student": A.student,
    "students": A.student,
    "subject": SUBJECT,
    "subjects": SUBJECT,
    "request_id": "{new}",
    "page_token": "",
    "page_size": 0,
    "class_name": "",
    "note": "",
    "reason": "Không dự kiểm tra bù",
    "remark": "Đã đối chiếu.",
    "date": _DAY,
    "month": "2025-10",
    "window": "HK2",
    "officer": A.data_officer,
    "teachers": A.teacher,
    "grade_level": 6,
    "signatory": A.teacher,
    "chain": "",
    "service": "print",
    "sha256": bytes(32),
    "excused": 1,
    "unexcused": 0,
    "text": "Chăm học.",
    # What a message is where it appears.
    "Absence.day": 3,
    "Appraisal.status": dossiers_pb2.VENDOR_STATUS_APPRAISED,
    "Appraisal.valid_from": "2020-01-01",
    "Appraisal.valid_to": "",
    "Appraisal.version": "",
    "AssessmentPolicy.decision": "12/QĐ-SGDĐT",
    "AttendanceRow.version": None,
    "AttendanceRow.excused": None,
    "AttendanceRow.unexcused": None,
    "AttendanceRow.year_excused": None,
    "AttendanceRow.year_unexcused": None,
    "AuditHead.chain": "access",
    "AuditHead.sequence": 1,
    "ClassRef.name": CLASS,
    "Decision.number": "15/QĐ-THCS",
    "Document.title": "Quyết định",
    "Document.number": "45/QĐ-THCS",
    "Document.issued_on": "2025-08-20",
    "Document.size_bytes": 1,
    "Document.kept_at": "Tủ hồ sơ",
    "DossierItems.software": "smas",
    "DossierItems.windows": "HK2",
    "DossierRound.deadline": Timestamp(seconds=2_000_000_000),
    "DossierRound.direct_schools": None,
    "DossierRound.offices": None,
    "Guardian.email": "",
    "Guardian.job": "",
    "Guardian.name": "Lê An",
    "Guardian.phone": "",
    "MarkColumn.position": 1,
    "MarkRow.values": "8",
    "RegisterDetails.from_school": "",
    "RegisterDetails.national_id": "",
    "RegisterDetails.nationality": "Việt Nam",
    "RegisterRow.entered_on": "2025-08-20",
    "RetentionPolicy.kind": archive_pb2.RECORD_KIND_CLASS_BOOK,
    "RetentionPolicy.legal_reference": "TT 08/2025",
    "RetentionPolicy.permanent": True,
    "RetentionPolicy.version": 0,
    "RetentionPolicy.years": 20,
    "School.code": A.school,
    "School.name": "Trường THCS Lê Quý Đôn",
    "School.commune": "Phường Lê Chân",
    "School.province": "Thành phố Hải Phòng",
    "School.department": "Sở Giáo dục và Đào tạo Hải Phòng",
    "SchoolClass.name": CLASS,
    "SchoolClass.homeroom_teacher": A.homeroom,
    "SchoolYear.authorisation": roster_pb2.AUTHORISATION_BY_DEPARTMENT,
    "SchoolYear.authorisation_decision": "12/QĐ-SGDĐT",
    "SchoolYear.authorised_time": None,
    "SchoolYear.vendor": "smas",
    "StaffDuty.duty": "Theo dõi nhập điểm, in và lưu sổ",
    "StaffDuty.person": A.principal,
    "Student.moet_student_id": A.student,
    "Student.address": "",
    "Student.birth_date": "2014-07-01",
    "Student.birth_place": "Hải Phòng",
    "Student.ethnicity": "Kinh",
    "Student.joined_on": None,
    "Student.left_on": None,
    "Student.name": "Võ Ngọc Hiền",
    "Student.number": 1,
    "Student.priority": "",
    "Subject.code": SUBJECT,
    "Subject.name": "Toán",
    "Subject.periods_per_year": 140,
    "Subject.topic_cluster_semester": None,
    "Vendor.appraisal": None,
    "Vendor.name": "smas",
    "Vendor.software": "SMAS",
    "Vendor.status": None,
    "Vendor.title": "SMAS",
    "Vendor.version": "4.0",
    "Window.close_time": Timestamp(seconds=2_000_000_000),
    "Window.closed_by": None,
    "Window.closed_by_time": None,
    "Window.closed_time": None,
    "Window.grade_levels": None,
    "Window.name": "HK2",
    "Window.open_time": Timestamp(seconds=1_780_000_000),
    "Window.semesters": common_pb2.SEMESTER_SECOND,
    # What an RPC is asked for.
    "ActivateKeyRequest.duration_seconds": 60,
    "ActivateKeyRequest.max_signatures": 1,
    "ActivateKeyRequest.pin": "000000",
    "AnchorAuditHeadsRequest.statement": "{statement}",
    "AppraiseVendorRequest.vendor": "vietschool",
    "ConfirmReconciliationRequest.content_sha256": b"12345678",
    "DecideDossierRequest.reason": None,
    "DecideDossierRequest.state": dossiers_pb2.DOSSIER_STATE_APPROVED,
    "DiscardDeadLettersRequest.letters": "sha256:0000000000000000",
    "EnterConductRequest.semester": common_pb2.SEMESTER_SECOND,
    "EnterMarksRequest.semester": common_pb2.SEMESTER_SECOND,
    "EnterRemarksRequest.period": 2,
    "ExportMarksRequest.classes": CLASS,
    "ForwardListRequest.office": "Phường Lê Chân",
    "ForwardListRequest.received_time": Timestamp(seconds=1_780_000_000),
    "ForwardListRequest.schools": A.school,
    "GetAnchorRequest.number": 1,
    "GetDataHistoryRequest.kind": corrections_pb2.CORRECTION_KIND_CONDUCT,
    "GetDataHistoryRequest.month": "",
    "GetDossierRequest.version": 0,
    "HealthCheckRequest.service": "",
    "ListRenditionsRequest.book": "{printed book}",
    "ListBooksRequest.states": None,
    "ListBooksRequest.student": "",
    "RecordControlCheckRequest.up_to": 1,
    "RecordPaperArchivedRequest.place": "Kho",
    "RecordPracticalExemptionRequest.decision": "Quyết định 15/QĐ-THCS ngày 10/10/2025",
    "RecordPracticalExemptionRequest.subject": "GDTC",
    "ReplayDeadLettersRequest.letters": "sha256:0000000000000000",
    "ReportMismatchRequest.differences": "Sai điểm",
    "ReturnBookRequest.recipient": "Phụ huynh",
    "RevokeBookRequest.department_notice": "12/SGDĐT",
    "ServerReflectionRequest.host": "",
    "ServerReflectionRequest.file_by_filename": "hoso/print/v1/print.proto",
    "SettleMissingMarksRequest.columns": [{"kind": common_pb2.MARK_KIND_REGULAR, "position": 2}],
    "SettleMissingMarksRequest.semester": common_pb2.SEMESTER_SECOND,
    "TransferInRequest.earlier_absences": None,
    "TransferInRequest.earlier_conduct": None,
    "TransferInRequest.earlier_marks": None,
    "TransferInRequest.from_school": "",
    "TransferInRequest.from_school_name": "THCS Xa",
    "TransferInRequest.number": 0,
    "TransferInRequest.personal": {
        "moet_student_id": "3199999",
        "number": 9,
        "name": "Lê An",
        "birth_date": "2014-07-01",
        "birth_place": "Hải Phòng",
        "sex": common_pb2.SEX_MALE,
        "ethnicity": "Kinh",
    },
    "TransferInRequest.student": "3199999",
    "TransferOutRequest.to_school": "",
    "TransferOutRequest.to_school_name": "THCS Xa",
}
"""Field → value: by ``Message.field``, or by its name alone. Not here: enums (the first value),
messages (their fields), bools (false).
"""
