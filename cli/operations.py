"""`hoso status|jobs|queues`: what an operator sees and does in every service alike."""

from typing import Annotated

import typer
from hoso.operations.v1 import operations_pb2

from cli import profile
from cli.connection import SERVICES, call, operator
from cli.output import EXIT_UNAVAILABLE, console, plain, show, show_json, styled
from services.common import dead_letters
from services.common.config import ConfigError
from services.common.dead_letters import DeadLetter
from services.common.errors import Unavailable
from services.common.settings import BrokerConfig

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
    _show_letters(service, dead_letters.list_letters(_broker(), _known(service)))


@queues.command("show")
def show_letter(service: Service, letter: Letter) -> None:
    """A dead letter with its body, which holds ids and digests only."""
    shown = dead_letters.show(_broker(), _known(service), letter)
    show_json(_plain_letter(shown) | {"body": shown.body.decode("utf-8", "replace")})


@queues.command("replay")
def replay_letters(
    service: Service, letters: Annotated[list[str] | None, typer.Argument(help="Ids; all when none is given.")] = None
) -> None:
    """Send dead letters back to the service's queue."""
    replayed = dead_letters.replay(_broker(), _known(service), letters or None)
    console.print(f"{len(replayed)} events of {service} are due again.")


@queues.command("discard")
def discard_letters(
    service: Service,
    letters: Annotated[list[str], typer.Argument(help="Ids.")],
    reason: Annotated[str, typer.Option(help="Why; keep the output with the control log.")],
) -> None:
    """Throw dead letters away, with a reason."""
    discarded = dead_letters.discard(_broker(), _known(service), letters, reason=reason)
    show_json({"reason": reason, "discarded": [_plain_letter(letter) for letter in discarded]})


def _show_letters(service: str, letters: list[DeadLetter]) -> None:
    rows = [(letter.id, letter.type, letter.attempts, letter.error, letter.dead_time or "") for letter in letters]
    columns = ("sự kiện", "loại", "số lần thử", "lỗi cuối", "lúc")
    show(f"Thư chết của {service}", columns, rows, [_plain_letter(letter) for letter in letters])


def _plain_letter(letter: DeadLetter) -> dict[str, object]:
    time = letter.dead_time and letter.dead_time.isoformat()
    return {"id": letter.id, "type": letter.type, "attempts": letter.attempts, "error": letter.error, "dead_time": time}


def _known(service: str) -> str:
    if service not in SERVICES:
        raise typer.BadParameter(f"one of {', '.join(SERVICES)}")
    return service


def _broker() -> BrokerConfig:
    broker = profile.load().broker
    if broker is None:
        raise ConfigError("the profile has no [broker]")
    return broker
