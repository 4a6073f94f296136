"""BookService; see proto/hoso/gradebook/v1/books.proto."""

from collections.abc import Iterator, Sequence
from typing import cast

import grpc
from hoso.gradebook.v1 import books_pb2, books_pb2_grpc, common_pb2

from services.common import chunks
from services.common.db import Database
from services.common.errors import HosoError
from services.common.grpc_call import Refusal
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size, timestamp
from services.gradebook.api import book_acts, pages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.refusals import refusal
from services.gradebook.books import books, many_books, records
from services.gradebook.books.book_store import BookKey, BookRow, TransitionRow
from services.gradebook.books.freeze.book import FreezeRequest, freeze_book
from services.gradebook.books.freeze.transcript import freeze_class_transcripts
from services.gradebook.model.domain import RecordType
from services.gradebook.model.permissions import Permission

_ACT_ON_BOOKS = "/hoso.gradebook.v1.BookService/ActOnBooks"
ACCESS = {
    "FreezeBook": access_for(Permission.FREEZE_BOOK),
    "FreezeClassTranscripts": access_for(Permission.FREEZE_BOOK),
    "AssignPrint": access_for(Permission.ASSIGN_PRINT),
    "StartReconciliation": access_for(Permission.START_RECONCILIATION),
    "ConfirmReconciliation": access_for(Permission.CONFIRM_RECONCILIATION),
    "ReportMismatch": access_for(Permission.REPORT_MISMATCH),
    "RecordHandSigned": access_for(Permission.RECORD_HAND_SIGNED),
    "RecordStamped": access_for(Permission.RECORD_STAMPED),
    "RecordPaperArchived": access_for(Permission.RECORD_PAPER_ARCHIVED),
    "StartDigitalSigning": access_for(Permission.START_SIGNING),
    "LockBook": access_for(Permission.LOCK_BOOK),
    "ReturnBook": access_for(Permission.RETURN_BOOK),
    "RevokeBook": access_for(Permission.REVOKE_BOOK),
    "ActOnBooks": access_for(
        Permission.ASSIGN_PRINT,
        Permission.START_RECONCILIATION,
        Permission.CONFIRM_RECONCILIATION,
        Permission.RECORD_HAND_SIGNED,
        Permission.RECORD_STAMPED,
        Permission.RECORD_PAPER_ARCHIVED,
        Permission.START_SIGNING,
        Permission.LOCK_BOOK,
        Permission.RETURN_BOOK,
    ),
    "GetBook": Access(clients=("vendor/*", "operator/department")),
    "ListBooks": Access(clients=("vendor/*", "operator/department")),
    "ListStudentTranscripts": Access(clients=("vendor/*",)),
    "ListRecordBooks": Access(clients=("vendor/*", "operator/department")),
    "DownloadBookContent": Access(clients=("vendor/*", "service/print")),
    "GetBookFacts": Access(clients=("service/print", "service/signing", "service/archive")),
}


def served(database: Database, refused: Refusal) -> Served:
    """The service over a database."""
    servicer = Books(database, refused)
    return Served(
        add=lambda server: books_pb2_grpc.add_BookServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.BookService",
        access=ACCESS,
    )


class Books(books_pb2_grpc.BookServiceServicer):
    """The servicer."""

    def __init__(self, database: Database, refused: Refusal) -> None:
        self._database, self._refused = database, refused

    def FreezeBook(
        self, request: books_pb2.FreezeBookRequest, context: grpc.ServicerContext
    ) -> books_pb2.FreezeBookResponse:
        """Freeze a book."""
        freeze_request = FreezeRequest(
            record_type=request.record_type or RecordType.CLASS_BOOK,
            school_class=class_ref(request.school_class),
            stage=request.stage,
            student=request.student,
            teacher=request.teacher,
            subject=request.subject,
        )
        return books_pb2.FreezeBookResponse(book=_book(freeze_book(self._database, caller(), freeze_request)))

    def FreezeClassTranscripts(
        self, request: books_pb2.FreezeClassTranscriptsRequest, context: grpc.ServicerContext
    ) -> books_pb2.FreezeClassTranscriptsResponse:
        """Freeze the transcripts of a class."""
        transcripts = freeze_class_transcripts(self._database, caller(), class_ref(request.school_class), request.stage)
        return books_pb2.FreezeClassTranscriptsResponse(books=[_book(book) for book in transcripts])

    def AssignPrint(
        self, request: books_pb2.AssignPrintRequest, context: grpc.ServicerContext
    ) -> books_pb2.AssignPrintResponse:
        """Name the officer in charge."""
        book = books.assign_print(self._database, caller(), request.book, request.officer)
        return books_pb2.AssignPrintResponse(book=_book(book))

    def StartReconciliation(
        self, request: books_pb2.StartReconciliationRequest, context: grpc.ServicerContext
    ) -> books_pb2.StartReconciliationResponse:
        """Start comparing print and data."""
        book = books.start_reconciliation(self._database, caller(), request.book)
        return books_pb2.StartReconciliationResponse(book=_book(book))

    def ConfirmReconciliation(
        self, request: books_pb2.ConfirmReconciliationRequest, context: grpc.ServicerContext
    ) -> books_pb2.ConfirmReconciliationResponse:
        """Confirm that print and data agree."""
        book = books.confirm_reconciliation(self._database, caller(), request.book, request.content_sha256)
        return books_pb2.ConfirmReconciliationResponse(book=_book(book))

    def ReportMismatch(
        self, request: books_pb2.ReportMismatchRequest, context: grpc.ServicerContext
    ) -> books_pb2.ReportMismatchResponse:
        """Report differences."""
        book = books.report_mismatch(self._database, caller(), request.book, request.differences)
        return books_pb2.ReportMismatchResponse(book=_book(book))

    def RecordHandSigned(
        self, request: books_pb2.RecordHandSignedRequest, context: grpc.ServicerContext
    ) -> books_pb2.RecordHandSignedResponse:
        """Record the signatures on paper."""
        book = books.record_hand_signed(self._database, caller(), request.book)
        return books_pb2.RecordHandSignedResponse(book=_book(book))

    def RecordStamped(
        self, request: books_pb2.RecordStampedRequest, context: grpc.ServicerContext
    ) -> books_pb2.RecordStampedResponse:
        """Record the stamp."""
        book = books.record_stamped(self._database, caller(), request.book)
        return books_pb2.RecordStampedResponse(book=_book(book))

    def RecordPaperArchived(
        self, request: books_pb2.RecordPaperArchivedRequest, context: grpc.ServicerContext
    ) -> books_pb2.RecordPaperArchivedResponse:
        """Record where the paper is kept."""
        book = books.record_paper_archived(self._database, caller(), request.book, request.place)
        return books_pb2.RecordPaperArchivedResponse(book=_book(book))

    def StartDigitalSigning(
        self, request: books_pb2.StartDigitalSigningRequest, context: grpc.ServicerContext
    ) -> books_pb2.StartDigitalSigningResponse:
        """Start the digital signatures."""
        book = books.start_digital_signing(self._database, caller(), request.book)
        return books_pb2.StartDigitalSigningResponse(book=_book(book))

    def LockBook(self, request: books_pb2.LockBookRequest, context: grpc.ServicerContext) -> books_pb2.LockBookResponse:
        """Lock a book and its data."""
        return books_pb2.LockBookResponse(book=_book(books.lock_book(self._database, caller(), request.book)))

    def ReturnBook(
        self, request: books_pb2.ReturnBookRequest, context: grpc.ServicerContext
    ) -> books_pb2.ReturnBookResponse:
        """Record to whom the electronic copy was returned."""
        book = books.return_book(self._database, caller(), request.book, request.recipient)
        return books_pb2.ReturnBookResponse(book=_book(book))

    def RevokeBook(
        self, request: books_pb2.RevokeBookRequest, context: grpc.ServicerContext
    ) -> books_pb2.RevokeBookResponse:
        """Revoke a signed book."""
        book = books.revoke_book(self._database, caller(), request.book, request.reason, request.department_notice)
        return books_pb2.RevokeBookResponse(book=_book(book))

    def ActOnBooks(
        self, request: books_pb2.ActOnBooksRequest, context: grpc.ServicerContext
    ) -> books_pb2.ActOnBooksResponse:
        """Many acts, each in a transaction of its own."""
        results = many_books.act_on_books(
            caller(),
            book_acts.read(self._database, request.acts),
            lambda refused_caller, error: self._refused(refused_caller, _ACT_ON_BOOKS, error),
            context.is_active,
        )
        return books_pb2.ActOnBooksResponse(
            results=[
                books_pb2.BookActResult(refusal=refusal(result))
                if isinstance(result, HosoError)
                else books_pb2.BookActResult(book=_book(result))
                for result in results
            ]
        )

    def GetBook(self, request: books_pb2.GetBookRequest, context: grpc.ServicerContext) -> books_pb2.GetBookResponse:
        """One book with its history."""
        book, history = records.get_book(self._database, caller(), request.book)
        return books_pb2.GetBookResponse(book=_book(book, history))

    def ListBooks(
        self, request: books_pb2.ListBooksRequest, context: grpc.ServicerContext
    ) -> books_pb2.ListBooksResponse:
        """A page of books."""
        limit = page_size(request.page_size)
        before_all = BookKey(0, "", "", "", 0, 0)
        page = records.list_books(
            self._database,
            caller(),
            school=request.school,
            school_year=request.school_year,
            record_type=request.record_type or RecordType.CLASS_BOOK,
            class_name=request.class_name,
            student=request.student,
            states=request.states,
            after=BookKey._make(pages.decode(request.page_token, before_all)),
            limit=limit,
        )
        token = pages.encode(page[-1].key) if len(page) == limit else ""
        return books_pb2.ListBooksResponse(books=[_book(book) for book in page], next_page_token=token)

    def ListStudentTranscripts(
        self, request: books_pb2.ListStudentTranscriptsRequest, context: grpc.ServicerContext
    ) -> books_pb2.ListStudentTranscriptsResponse:
        """Every transcript of a student."""
        transcripts = records.list_student_transcripts(self._database, caller(), request.school, request.student)
        return books_pb2.ListStudentTranscriptsResponse(books=[_book(book) for book in transcripts])

    def ListRecordBooks(
        self, request: books_pb2.ListRecordBooksRequest, context: grpc.ServicerContext
    ) -> books_pb2.ListRecordBooksResponse:
        """The catalogue of record books."""
        listed = records.list_record_books(self._database, caller(), request.school, request.school_year, request.level)
        return books_pb2.ListRecordBooksResponse(record_books=[_record_book(record_book) for record_book in listed])

    def DownloadBookContent(
        self, request: books_pb2.DownloadBookContentRequest, context: grpc.ServicerContext
    ) -> Iterator[books_pb2.DownloadBookContentResponse]:
        """The frozen bytes of a book."""
        for chunk in chunks.split(records.book_content(self._database, caller(), request.book)):
            yield books_pb2.DownloadBookContentResponse(chunk=chunk)

    def GetBookFacts(
        self, request: books_pb2.GetBookFactsRequest, context: grpc.ServicerContext
    ) -> books_pb2.GetBookFactsResponse:
        """What is known of a book now."""
        return books_pb2.GetBookFactsResponse(facts=_facts(records.book_facts(self._database, caller(), request.book)))


def _book(book: BookRow, history: Sequence[TransitionRow] = ()) -> books_pb2.Book:
    return books_pb2.Book(
        id=str(book.id),
        school_class=common_pb2.ClassRef(school=book.school, school_year=book.school_year, name=book.class_name),
        stage=cast("common_pb2.Stage.ValueType", book.stage),
        version=book.version,
        state=cast("books_pb2.BookState.ValueType", book.state),
        content_sha256=book.content_sha256,
        content_size_bytes=book.content_size_bytes,
        replaced_by_version=book.replaced_by or 0,
        unsigned_rendition=book.unsigned_rendition,
        signed_document=book.signed_document,
        archive_record=book.archive_record,
        problem=book.problem,
        record_type=cast("common_pb2.RecordType.ValueType", book.record_type),
        student=book.student,
        teacher=book.teacher,
        subject=book.subject,
        sealed=book.sealed,
        history=[_transition(step) for step in history],
    )


def _facts(book: BookRow) -> books_pb2.BookFacts:
    return books_pb2.BookFacts(
        book=str(book.id),
        version=book.version,
        school=book.school,
        school_year=book.school_year,
        record_type=cast("common_pb2.RecordType.ValueType", book.record_type),
        state=cast("books_pb2.BookState.ValueType", book.state),
        content_sha256=book.content_sha256,
        signing_rendition=str(book.signing_rendition or ""),
        signing_pdf_sha256=book.signing_pdf_sha256 or b"",
        signing_pdf_size_bytes=book.signing_pdf_size_bytes or 0,
        document=book.signed_document,
        document_sha256=book.document_sha256 or b"",
    )


def _record_book(of_school: records.SchoolRecordBook) -> books_pb2.RecordBook:
    record = of_school.record
    return books_pb2.RecordBook(
        record_type=cast("common_pb2.RecordType.ValueType", record.record_type),
        title=record.title,
        format=record.format,
        stages=cast("list[common_pb2.Stage.ValueType]", record.stages),
        preparer=cast("books_pb2.Preparer.ValueType", record.preparer),
        signatories=[
            books_pb2.RecordSignatory(
                role=cast("books_pb2.SignatoryRole.ValueType", signatory.role), rank=signatory.rank
            )
            for signatory in record.signatories
        ],
        sealed=record.sealed,
        compulsory=record.compulsory,
        paper_by_law=record.paper_by_law,
        paper_track_required=of_school.paper_track_required,
        legal_reference=record.legal_reference,
    )


def _transition(step: TransitionRow) -> books_pb2.BookTransition:
    return books_pb2.BookTransition(
        from_state=cast("books_pb2.BookState.ValueType", step.from_state or 0),
        to_state=cast("books_pb2.BookState.ValueType", step.to_state),
        person=step.person,
        client=step.client,
        time=timestamp(step.time),
        note=step.note,
    )
