"""`hoso audit`: the audit chains of every service, recomputed and compared with their newest anchor
(ADR-0051).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import grpc
import typer
from hoso.operations.v1 import anchors_pb2, operations_pb2
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from cli import profile
from cli.connection import SERVICES, Services, call, every, operator
from cli.output import EXIT_NEGATIVE, EXIT_UNAVAILABLE, Output, errors, show, styled
from services.common import anchor
from services.common.anchor import AnchorInvalid, Statement
from services.common.errors import NotFound, Rejected
from services.common.grpc_client import calling

app = typer.Typer()

STREAM_S = 12 * 3600.0
"""Longest time that one service may take to recompute its chains."""
_ANCHOR_WAIT_S = 60.0
_SHOWN_BREAKS = 10


@dataclass
class _Result:
    """What was found about one service. problems: sentences for people, by stable code."""

    rows: int = 0
    chains: int = 0
    oldest_time: datetime | None = None
    breaks: list[operations_pb2.AuditBreak] = field(default_factory=list)
    statement: Statement | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not self.breaks and not self.problems


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    chain: Annotated[str, typer.Option(help="Only this chain, such as school/79000001.")] = "",
    max_anchor_age: Annotated[float, typer.Option(help="Hours that the newest anchor may be old.")] = 36.0,
) -> None:
    """Recompute the audit chains and compare them with their newest anchor. Exit code 1 when one is
    bad.
    """
    if context.invoked_subcommand is not None:
        return
    settings = profile.load()
    services, trusted = Services(settings, settings.tls), settings.tls.ca_file.read_bytes()
    results: dict[str, _Result] = {}
    unknown: NotFound | None = None
    for name in SERVICES:
        result = _Result()
        _read_anchor(services, name, trusted, result)
        try:
            _check_chains(services, name, chain, result)
        except NotFound as e:
            unknown = e
            continue
        except grpc.RpcError as e:  # the others are checked all the same
            result.problems["AUDIT_UNREADABLE"] = f"Không đọc được nhật kí ({e.code().name}); xem log của dịch vụ."
        _check_age(result, timedelta(hours=max_anchor_age))
        results[name] = result
    if unknown and not results:
        raise unknown
    rows = [(name, r.rows, r.chains, _anchor_words(r), _outcome(r)) for name, r in results.items()]
    columns = ("dịch vụ", "số dòng", "chuỗi", "mốc mới nhất", "kết quả")
    show("Nhật kí kiểm toán", columns, rows, {name: _data(r) for name, r in results.items()})
    if not all(result.good for result in results.values()):
        raise typer.Exit(EXIT_NEGATIVE)


@app.command("anchor")
def anchor_now() -> None:
    """Anchor the heads of every service at once, apart from the daily anchors."""
    services = operator()
    before = {name: _newest_number(services, name) for name in SERVICES}
    for name in SERVICES:
        call(services.operations[name].AnchorAudit, operations_pb2.AnchorAuditRequest())
    deadline = time.monotonic() + _ANCHOR_WAIT_S
    while True:
        after = {name: _newest_number(services, name) for name in SERVICES}
        waiting = [name for name in SERVICES if after[name] <= before[name]]
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    rows = [(name, after[name] if name not in waiting else "chưa có mốc mới") for name in SERVICES]
    show("Mốc nhật kí", ("dịch vụ", "mốc mới nhất"), rows, after)
    if waiting:
        errors.print("Mốc sẽ được khóa khi vai trò `work` chạy được; xem `hoso status`, `hoso jobs dead`.")
        raise typer.Exit(EXIT_UNAVAILABLE)


@app.command("anchors")
def anchors(service: Annotated[str, typer.Argument(help="gradebook, print, signing or archive.")]) -> None:
    """The anchors of a service in the store, newest first."""
    listed = every(operator().anchors.ListAnchors, anchors_pb2.ListAnchorsRequest(service=service), "anchors")
    rows = [(a.number, a.sha256.hex()[:16], a.version_id) for a in listed]
    show(f"Mốc nhật kí của {service}", ("số", "mã băm", "phiên bản"), rows, listed)


def _read_anchor(services: Services, name: str, trusted: bytes, result: _Result) -> None:
    """Take the newest anchor of a service, of which nothing is believed that its signature does not
    cover.
    """
    try:
        answer = call(services.anchors.GetAnchor, anchors_pb2.GetAnchorRequest(service=name))
        result.statement = anchor.read(answer.statement, name, trusted)
    except NotFound:
        return
    except Rejected as e:
        result.problems[e.reason] = e.message
    except AnchorInvalid as e:
        result.problems["ANCHOR_INVALID"] = f"Mốc nhật kí không hợp lệ ({e.reason})."


def _check_chains(services: Services, name: str, chain: str, result: _Result) -> None:
    """Raises NotFound AUDIT_CHAIN_UNKNOWN when the service has no such chain, nor its anchor."""
    request = operations_pb2.VerifyAuditChainsRequest(chain=chain)
    for head in result.statement.heads if result.statement else ():
        if chain in {"", head.chain}:
            request.anchored.add(chain=head.chain, sequence=head.sequence, sha256=head.sha256)
    with _bar(name) as advance, calling(name):
        for progress in services.operations[name].VerifyAuditChains(request, timeout=STREAM_S):
            result.rows, result.chains = progress.rows, progress.chains_total
            result.breaks += progress.breaks
            if progress.HasField("oldest_time"):
                result.oldest_time = progress.oldest_time.ToDatetime(UTC)
            advance(progress)


def _check_age(result: _Result, max_age: timedelta) -> None:
    """An anchor must be there and young, unless nothing has been recorded for long enough to need
    one.
    """
    now = datetime.now(UTC)
    if result.statement is not None:
        if now - result.statement.time > max_age:
            age = _hours(now - result.statement.time)
            result.problems["ANCHOR_TOO_OLD"] = f"Mốc nhật kí đã cũ ({age} giờ, cho phép {_hours(max_age)} giờ)."
    elif not result.problems and result.oldest_time is not None and now - result.oldest_time > max_age:
        result.problems["ANCHOR_MISSING"] = "Nhật kí chưa có mốc nào được khóa trong kho lưu trữ."


@contextmanager
def _bar(name: str) -> Iterator[Any]:
    """A progress bar on standard error while one service is checked; it advances with each message
    of the stream.
    """
    text = TextColumn("{task.fields[rows]} dòng, {task.completed:.0f}/{task.total:.0f} chuỗi")
    with Progress(
        TextColumn(f"{name:<9}"), BarColumn(), text, console=errors, transient=True, disable=Output.as_json
    ) as progress:
        task = progress.add_task(name, total=1, rows=0)

        def advance(answer: operations_pb2.VerifyAuditChainsResponse) -> None:
            progress.update(task, total=answer.chains_total, completed=answer.chains_done, rows=answer.rows)

        yield advance


def _newest_number(services: Services, name: str) -> int:
    try:
        return int(call(services.anchors.GetAnchor, anchors_pb2.GetAnchorRequest(service=name)).anchor.number)
    except NotFound:
        return 0


def _anchor_words(result: _Result) -> str:
    if result.statement is None:
        return "chưa có"
    age = datetime.now(UTC) - result.statement.time
    words = f"{_hours(age)} giờ" if age >= timedelta(hours=1) else f"{age // timedelta(minutes=1)} phút"
    return f"số {result.statement.number}, {words} trước"


def _outcome(result: _Result) -> Text:
    if result.good:
        return styled(("nguyên vẹn", "green"))
    breaks = [f"{b.chain}#{b.sequence} {b.reason}" for b in result.breaks[:_SHOWN_BREAKS]]
    more = len(result.breaks) - _SHOWN_BREAKS
    lines = [*result.problems.values(), *breaks, *([f"… và {more} chuỗi nữa"] if more > 0 else [])]
    return styled(("\n".join(lines), "red"))


def _data(result: _Result) -> dict[str, object]:
    statement = result.statement
    return {
        "rows": result.rows,
        "chains": result.chains,
        "breaks": result.breaks,
        "anchor": {"number": statement.number, "time": statement.time.isoformat()} if statement else None,
        "problems": [{"reason": reason, "message": message} for reason, message in result.problems.items()],
    }


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.0f}"
