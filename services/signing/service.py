"""SigningService over gRPC: messages ↔ arguments. See proto/hoso/signing/v1/signing.proto."""

import uuid
from collections.abc import Iterator, Sequence

import grpc
from cryptography import x509
from hoso.signing.v1 import signing_pb2 as pb
from hoso.signing.v1 import signing_pb2_grpc

from services.common import chunks, standing
from services.common.db import Database
from services.common.errors import Invalid, Violation
from services.common.grpc_server import Served
from services.common.identity import Access
from services.common.message_fields import before_id, page_size, timestamp
from services.signing import store, usecases
from services.signing.domain import Document, Required, Signatory
from services.signing.token_client import TokenClient

_READERS = Access(clients=("vendor/*", "operator/department"))
_KEEPERS = Access(clients=("vendor/*", "operator/department"), person=True)
_KEEPERS_OR_OPERATOR = Access(clients=("vendor/*", "operator/department"))
ACCESS = {
    "PutSignatory": Access(clients=("operator/department",)),
    "ListSignatories": _READERS,
    "ActivateKey": _KEEPERS,
    "DeactivateKey": _KEEPERS_OR_OPERATOR,
    "ListPending": _KEEPERS_OR_OPERATOR,
    "GetDocument": _READERS,
    "ListDocuments": _READERS,
    "DownloadDocument": Access(clients=("vendor/*", "operator/department", "service/archive")),
    "GetJournal": _READERS,
}
_CUSTODIES = {pb.KEY_CUSTODY_HSM_PARTITION: "HSM_PARTITION", pb.KEY_CUSTODY_USB_TOKEN_AT_SCHOOL: "USB_TOKEN_AT_SCHOOL"}


def served(database: Database, tokens: TokenClient, roots: Sequence[x509.Certificate]) -> Served:
    """The service, ready for `grpc_server.serve`. roots: under which signatories are registered."""
    servicer = Signing(database, tokens, roots)
    return Served(
        add=lambda server: signing_pb2_grpc.add_SigningServiceServicer_to_server(servicer, server),
        name="hoso.signing.v1.SigningService",
        access=ACCESS,
    )


class Signing(signing_pb2_grpc.SigningServiceServicer):
    """The servicer; raises the errors of `services.common.errors`."""

    def __init__(self, database: Database, tokens: TokenClient, roots: Sequence[x509.Certificate]) -> None:
        self._database = database
        self._roots = roots
        self._tokens = tokens

    def PutSignatory(self, request: pb.PutSignatoryRequest, context: grpc.ServicerContext) -> pb.PutSignatoryResponse:
        """Register or update a signatory."""
        entry = request.signatory
        signatory = Signatory(
            id=entry.id,
            school=entry.school,
            name=entry.name,
            seal=entry.seal,
            custodian=entry.custodian,
            key_uri=entry.key_uri,
            algorithm=entry.algorithm,
            custody=_CUSTODIES.get(entry.custody, ""),
            certificate_chain=tuple(entry.certificate_chain),
        )
        usecases.put_signatory(self._database, signatory, self._roots)
        return pb.PutSignatoryResponse()

    def ListSignatories(
        self, request: pb.ListSignatoriesRequest, context: grpc.ServicerContext
    ) -> pb.ListSignatoriesResponse:
        """The signatories of a school."""
        size = page_size(request.page_size)
        with self._database.transaction() as tx:
            standing.may_read(tx, request.school)
            signatories = store.signatories(tx, request.school, after=request.page_token, limit=size)
        token = signatories[-1].id if len(signatories) == size else ""
        return pb.ListSignatoriesResponse(signatories=map(_signatory, signatories), next_page_token=token)

    def ActivateKey(self, request: pb.ActivateKeyRequest, context: grpc.ServicerContext) -> pb.ActivateKeyResponse:
        """Unlock the acting person's key."""
        end = usecases.activate_key(
            self._database,
            self._tokens,
            request.signatory,
            request.pin,
            max_signatures=request.max_signatures,
            duration_s=request.duration_seconds,
        )
        return pb.ActivateKeyResponse(expire_time=timestamp(end))

    def DeactivateKey(
        self, request: pb.DeactivateKeyRequest, context: grpc.ServicerContext
    ) -> pb.DeactivateKeyResponse:
        """Lock a key."""
        usecases.deactivate_key(self._database, self._tokens, request.signatory)
        return pb.DeactivateKeyResponse()

    def ListPending(self, request: pb.ListPendingRequest, context: grpc.ServicerContext) -> pb.ListPendingResponse:
        """What waits for a signatory."""
        waiting = usecases.list_pending(self._database, self._tokens, request.signatory)
        pending = [
            pb.PendingSignature(document=str(p.document), book=str(p.book), field=p.field, due=p.due)
            for p in waiting.pending
        ]
        return pb.ListPendingResponse(
            pending=pending, key_active=waiting.key_active, signatures_left=waiting.signatures_left
        )

    def GetDocument(self, request: pb.GetDocumentRequest, context: grpc.ServicerContext) -> pb.GetDocumentResponse:
        """One document."""
        name = _uuid(request.document)
        with self._database.transaction() as tx:
            document = store.document(tx, name)
            standing.may_read(tx, document.school)
            required = store.required(tx, [name])[name]
        return pb.GetDocumentResponse(document=_document(document, required))

    def ListDocuments(
        self, request: pb.ListDocumentsRequest, context: grpc.ServicerContext
    ) -> pb.ListDocumentsResponse:
        """The documents of a school."""
        size = page_size(request.page_size)
        before = before_id(request.page_token)
        with self._database.transaction() as tx:
            standing.may_read(tx, request.school)
            documents = store.documents(tx, request.school, before=before, limit=size)
            required = store.required(tx, [document.id for document in documents])
        token = str(documents[-1].number) if len(documents) == size else ""
        messages = [_document(document, required[document.id]) for document in documents]
        return pb.ListDocumentsResponse(documents=messages, next_page_token=token)

    def DownloadDocument(
        self, request: pb.DownloadDocumentRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadDocumentResponse]:
        """The newest revision."""
        with self._database.transaction() as tx:
            document = store.document(tx, _uuid(request.document))
            standing.may_read(tx, document.school)
            pdf = store.pdf(tx, document)
        for piece in standing.while_allowed(self._database, document.school, chunks.split(pdf)):
            yield pb.DownloadDocumentResponse(chunk=piece)

    def GetJournal(self, request: pb.GetJournalRequest, context: grpc.ServicerContext) -> pb.GetJournalResponse:
        """The signing journal of a document."""
        name = _uuid(request.document)
        with self._database.transaction() as tx:
            standing.may_read(tx, store.document(tx, name).school)
            entries = store.journal(tx, name)
        return pb.GetJournalResponse(entries=map(_entry, entries))


def _signatory(signatory: Signatory) -> pb.Signatory:
    return pb.Signatory(
        id=signatory.id,
        school=signatory.school,
        name=signatory.name,
        seal=signatory.seal,
        custodian=signatory.custodian,
        key_uri=signatory.key_uri,
        certificate_chain=signatory.certificate_chain,
        algorithm=signatory.algorithm,
        custody=next(number for number, name in _CUSTODIES.items() if name == signatory.custody),
    )


def _document(document: Document, required: list[Required]) -> pb.Document:
    return pb.Document(
        id=str(document.id),
        book=str(document.book),
        version=document.version,
        school=document.school,
        state=pb.DocumentState.Value(f"DOCUMENT_STATE_{document.state}"),
        content_sha256=document.content_sha256,
        pdf_sha256=document.pdf_sha256,
        pdf_size_bytes=document.pdf_size_bytes,
        signatures=map(_signature, required),
    )


def _signature(signature: Required) -> pb.Signature:
    return pb.Signature(
        field=signature.field,
        order=signature.position,
        rank=signature.rank,
        role=signature.role,
        signatory=signature.signatory,
        sign_time=timestamp(signature.sign_time) if signature.sign_time else None,
        certificate_sha256=signature.certificate_sha256,
        level=signature.level,
        name=signature.name,
    )


def _entry(entry: store.JournalEntry) -> pb.JournalEntry:
    return pb.JournalEntry(
        field=entry.field,
        signatory=entry.signatory,
        event=entry.event,
        digest=entry.digest,
        time=timestamp(entry.time),
        reason=entry.reason,
    )


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as e:
        raise Invalid([Violation("document", "NOT_A_UUID", "Mã tài liệu không hợp lệ.")]) from e
