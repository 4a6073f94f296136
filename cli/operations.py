"""`hoso status|jobs|queues`: what an operator sees and does in every service alike."""

from typing import Annotated

import typer
from hoso.operations.v1 import dead_letters_pb2, operations_pb2

from cli.connection import SERVICES, call, operator
from cli.output import EXIT_UNAVAILABLE, console, plain, show, show_json, styled
from services.common.errors import NotFound, Unavailable

jobs = typer.Typer(no_args_is_help=True)
queues = typer.Typer(no_args_is_help=True)

Service = Annotated[str, typer.Argument(help="gradebook, print, signing or archive.")]
Letter = Annotated[str, typer.Argument(help="Id of the dead letter, as listed.")]


def status() -> None:
    """Open work of every service and the age of its oldest item. Exit code 5 when a service is
    away.
    """
    services = operator()
    data: dict[str, object] = {}
    rows: list[tuple[object, ...]] = []
    away = False
    for name in SERVICES:
        try:
            answer = call(services.operations[name].GetStatus, operations_pb2.GetStatusRequest())
        except Unavailable as e:
            away = True
            data[name] = {"error": e.reason}
            rows.append((name, styled(("không sẵn sàng", "red")), "", "", ""))
            continue
        data[name] = plain(answer)
        oldest = answer.jobs_oldest_time.ToJsonString() if answer.HasField("jobs_oldest_time") else ""
        rows.append((name, answer.outbox_pending, answer.jobs_open, oldest, answer.jobs_dead))
    show("Tình trạng", ("dịch vụ", "sự kiện chờ gửi", "việc đang mở", "cũ nhất", "việc chết"), rows, data)
    if away:
        raise typer.Exit(EXIT_UNAVAILABLE)


@jobs.command("dead")
def dead_jobs(service: Service) -> None:
    """Jobs that gave up, newest first."""
    stub = operator().operations[_known(service)]
    dead = list(call(stub.ListDeadJobs, operations_pb2.ListDeadJobsRequest(page_size=500)).jobs)
    rows = [(job.id, job.kind, job.key, job.attempts, job.last_error) for job in dead]
    show(f"Việc chết của {service}", ("id", "loại", "khóa", "số lần", "lỗi cuối"), rows, dead)


@jobs.command("replay")
def replay_job(service: Service, job: Annotated[int, typer.Argument(help="Id of the job.")]) -> None:
    """Make a dead job due again."""
    stub = operator().operations[_known(service)]
    call(stub.ReplayJob, operations_pb2.ReplayJobRequest(job=job))
    console.print(f"Job {job} of {service} is due again.")


@queues.command("list")
def list_queue(service: Service) -> None:
    """The dead letters of a service, at most a hundred."""
    letters = _dead_letters(service)
    columns = ("sự kiện", "loại", "người gửi", "số lần thử", "lỗi cuối", "lúc")
    rows = [
        (letter.id, letter.type, letter.publisher, letter.attempts, letter.error, _dead_time(letter))
        for letter in letters
    ]
    show(f"Thư chết của {service}", columns, rows, letters)


@queues.command("show")
def show_letter(service: Service, letter: Letter) -> None:
    """A dead letter with its body, which holds ids and digests only."""
    shown = next((found for found in _dead_letters(service) if found.id == letter), None)
    if shown is None:
        raise NotFound("DEAD_LETTER_NOT_FOUND", f"Không có thông điệp: {letter}.", letters=letter)
    show_json(plain(shown) | {"body": shown.body.decode("utf-8", "replace")})


@queues.command("replay")
def replay_letters(
    service: Service, letters: Annotated[list[str] | None, typer.Argument(help="Ids; all when none is given.")] = None
) -> None:
    """Send dead letters back to the service's queue."""
    stub = operator().dead_letters[_known(service)]
    replayed = call(stub.ReplayDeadLetters, dead_letters_pb2.ReplayDeadLettersRequest(letters=letters or ())).letters
    console.print(f"{len(replayed)} events of {service} are due again.")


@queues.command("discard")
def discard_letters(
    service: Service,
    letters: Annotated[list[str], typer.Argument(help="Ids.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the service's audit trail.")],
) -> None:
    """Throw dead letters away, with a reason."""
    stub = operator().dead_letters[_known(service)]
    request = dead_letters_pb2.DiscardDeadLettersRequest(letters=letters, reason=reason)
    discarded = call(stub.DiscardDeadLetters, request).letters
    show_json({"reason": reason, "discarded": [plain(letter) for letter in discarded]})


def _dead_letters(service: str) -> list[dead_letters_pb2.DeadLetter]:
    stub = operator().dead_letters[_known(service)]
    return list(call(stub.ListDeadLetters, dead_letters_pb2.ListDeadLettersRequest()).letters)


def _dead_time(letter: dead_letters_pb2.DeadLetter) -> str:
    return letter.dead_time.ToJsonString() if letter.HasField("dead_time") else ""


def _known(service: str) -> str:
    if service not in SERVICES:
        raise typer.BadParameter(f"one of {', '.join(SERVICES)}")
    return service
