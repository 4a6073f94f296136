"""`hoso keys`: signatories, activation of keys, documents under signature and their journal."""

import json
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from hoso.signing.v1 import signing_pb2

from cli.connection import Services, call, download, operator
from cli.output import console, show
from services.common.config import read_secret

app = typer.Typer(no_args_is_help=True)

_PAGE = 500


@app.command("register")
def register(record: Annotated[Path, typer.Argument(help="Record that the key ceremony wrote (JSON).")]) -> None:
    """Register every signatory of a key ceremony's record."""
    console.print(f"{register_record(operator(), record)} signatories registered.")


def register_record(services: Services, record: Path) -> int:
    """Register the signatories of a ceremony's record with their certificates; returns their
    number.
    """
    signatories = json.loads(record.read_text(encoding="utf-8"))["signatories"]
    for entry in signatories:
        # The record's keys are the message's fields; bytes have no JSON form and are written in
        # hexadecimal.
        chain = [bytes.fromhex(der) for der in entry.pop("certificate_chain")]
        signatory = json_format.ParseDict(entry, signing_pb2.Signatory(certificate_chain=chain))
        call(services.signing.PutSignatory, signing_pb2.PutSignatoryRequest(signatory=signatory), patient=True)
    return len(signatories)


@app.command("list")
def list_signatories(school: Annotated[str, typer.Argument(help="School code.")]) -> None:
    """The signatories of a school."""
    services = operator()
    request = signing_pb2.ListSignatoriesRequest(school=school, page_size=_PAGE)
    signatories = list(call(services.signing.ListSignatories, request).signatories)
    rows = [(s.id, s.name, "dấu" if s.seal else "cá nhân", s.algorithm, s.key_uri) for s in signatories]
    show(f"Người ký của trường {school}", ("id", "tên", "loại", "thuật toán", "khóa"), rows, signatories)


@app.command("activate")
def activate(
    signatory: Annotated[str, typer.Argument(help="Signatory id.")],
    token_file: Annotated[Path, typer.Option(help="File with the acting person's token, mode 0600.")],
    pin_file: Annotated[Path | None, typer.Option(help="File with the PIN, mode 0600; asked for when absent.")] = None,
    signatures: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    minutes: Annotated[int, typer.Option(min=1, max=720)] = 30,
) -> None:
    """Activate a key for a bounded time and number of signatures. The PIN is asked for or read from
    a file.
    """
    services = operator()
    pin = read_secret(pin_file) if pin_file else typer.prompt("PIN", hide_input=True)
    request = signing_pb2.ActivateKeyRequest(
        signatory=signatory, pin=pin, max_signatures=signatures, duration_seconds=minutes * 60
    )
    answer = call(services.signing.ActivateKey, request, read_secret(token_file))
    console.print(f"{signatory}: active until {answer.expire_time.ToJsonString()}")


@app.command("documents")
def documents(school: Annotated[str, typer.Argument(help="School code.")]) -> None:
    """Documents of a school under signature, newest first."""
    services = operator()
    request = signing_pb2.ListDocumentsRequest(school=school, page_size=_PAGE)
    answered_documents = list(call(services.signing.ListDocuments, request).documents)
    rows = [
        (d.id, d.book, d.version, _state(d.state), f"{sum(bool(s.level) for s in d.signatures)}/{len(d.signatures)}")
        for d in answered_documents
    ]
    show(f"Văn bản đang ký của trường {school}", ("id", "sổ", "bản", "trạng thái", "chữ ký"), rows, answered_documents)


@app.command("journal")
def journal(document: Annotated[str, typer.Argument(help="Document id.")]) -> None:
    """The signing journal of a document."""
    services = operator()
    entries = list(call(services.signing.GetJournal, signing_pb2.GetJournalRequest(document=document)).entries)
    rows = [(e.time.ToJsonString(), e.event, e.field, e.signatory, e.digest.hex()[:16], e.reason) for e in entries]
    show("Nhật kí ký số", ("lúc", "việc", "trường ký", "người ký", "mã băm", "lí do"), rows, entries)


@app.command("fetch")
def fetch(
    document: Annotated[str, typer.Argument(help="Document id.")],
    out: Annotated[typer.FileBinaryWrite, typer.Argument(help="File to write, - for standard output.")],
) -> None:
    """The newest revision of a document."""
    services = operator()
    out.write(download(services.signing.DownloadDocument, signing_pb2.DownloadDocumentRequest(document=document)))


def _state(state: int) -> str:
    name = signing_pb2.DocumentState.Name(signing_pb2.DocumentState.ValueType(state))
    return name.removeprefix("DOCUMENT_STATE_")
