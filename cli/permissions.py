"""`hoso permissions`: who may do what in gradebook, as its services decide it; a Department reads
it.

The table is pure, so that this command prints the very rows that decide, without asking a service.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.output import EXIT_USAGE, Output, console, errors, show_json, styled
from services.gradebook.model import permissions
from services.gradebook.model.catalogue import SIGNATORIES, TITLES, SignatoryRole
from services.gradebook.model.permissions import Actor, Group, Permission

_SOURCE = "Căn cứ"
_CAPTION = "Bảng gồm các việc làm thay đổi dữ liệu; không gồm việc xem."


def print_permissions(
    role: Annotated[str, typer.Option(help="Only what a role or relation may do, such as VICE_PRINCIPAL.")] = "",
    act: Annotated[str, typer.Option(help="Only one act, such as CLOSE_WINDOW.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Who may do what: every act, the roles and relations that may do it, and where that comes
    from.
    """
    _check("role", role, Actor.__members__)
    _check("act", act, Permission.__members__)
    actor = Actor[role] if role else None
    listed = [
        permission
        for permission in Permission
        if act in ("", permission.name) and (actor is None or permissions.terms(permission, actor) is not None)
    ]
    actors = [actor] if actor else list(Actor)
    if Output.as_json or json:
        show_json(
            {
                "acts": [_act(permission, actor) for permission in listed],
                "actors": [_actor(listed_actor) for listed_actor in actors],
                "signatures": [] if act else _signatures(actor),
            }
        )
        return
    _print_acts(listed, actor)
    if act:
        for permission in listed:
            _print_refusal(permission)
        return
    count = f"{len(listed)} việc."
    console.print(f"{_title(actor)}: {count}" if actor else f"{count} {_CAPTION}", highlight=False)
    _print_signatures(actor)
    _print_actors(actors)


def _check(option: str, name: str, known: Iterable[str]) -> None:
    """End the command unless an option names a row that there is."""
    names = list(known)
    if name and name not in names:
        errors.print(styled((f"--{option}", "red"), f" không có {name}; có: {', '.join(names)}."), highlight=False)
        raise typer.Exit(EXIT_USAGE)


def _print_acts(listed: Sequence[Permission], actor: Actor | None) -> None:
    for group in Group:
        rows = [permission for permission in listed if permission.value.group is group]
        if not rows:
            continue
        table = _table(group.value, ("Việc", 4), ("Điều kiện" if actor else "Ai được làm", 4), (_SOURCE, 2))
        for permission in rows:
            terms = permissions.terms(permission, actor) or "không kèm điều kiện" if actor else _entitled(permission)
            name = styled(f"{permission.value.name}\n", (permission.name, "dim"))
            table.add_row(name, terms, permission.value.source or "-")
        console.print(table)


def _print_refusal(permission: Permission) -> None:
    grant = permission.value
    if grant.refusal:
        console.print(styled(f"Người khác bị từ chối: {grant.refusal} ", (f"({grant.reason})", "dim")), highlight=False)


def _entitled(permission: Permission) -> str:
    grant = permission.value
    lines = sorted(_title(actor) for actor in grant.actors)
    lines += [f"{_title(actor)} thay, {grant.stand_in_case}" for actor in grant.stand_ins]
    return "\n".join(lines)


def _title(actor: Actor) -> str:
    return actor.value[:1].upper() + actor.value[1:]


def _print_signatures(actor: Actor | None) -> None:
    rows = _signatures(actor)
    if not rows:
        return
    table = _table("Chữ ký số trên sổ, theo thứ tự", ("Sổ", 4), ("Bậc", 1), ("Người ký", 4))
    previous = ""
    for row in rows:
        table.add_row("" if row["title"] == previous else row["title"], str(row["rank"]), row["words"])
        previous = row["title"]
    console.print(table)


def _print_actors(actors: Sequence[Actor]) -> None:
    table = _table("Ai là ai", ("Người làm", 3), ("Được xác định thế nào", 5))
    for actor in actors:
        table.add_row(styled(f"{_title(actor)}\n", (actor.name, "dim")), permissions.EXPLANATIONS[actor])
    console.print(table)


def _table(title: str, *columns: tuple[str, int]) -> Table:
    """A table over the whole width. columns: heading and share of the width."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", expand=True)
    for heading, ratio in columns:
        # The number of a letter stays in one piece.
        fixed = len("3260/GDĐT-GDTrH") if heading == _SOURCE else None
        table.add_column(heading, width=fixed, ratio=None if fixed else ratio)
    return table


def _act(permission: Permission, actor: Actor | None) -> dict[str, Any]:
    grant = permission.value
    described: dict[str, Any] = {
        "act": permission.name,
        "name": grant.name,
        "group": grant.group.name,
        "actors": sorted(actor.name for actor in grant.actors),
        "stand_ins": sorted(actor.name for actor in grant.stand_ins),
        "stand_in_case": grant.stand_in_case,
        "source": grant.source,
        "refusal": {"reason": grant.reason, "message": grant.refusal} if grant.refusal else None,
    }
    return described if actor is None else described | {"terms": permissions.terms(permission, actor)}


def _actor(actor: Actor) -> dict[str, Any]:
    return {
        "actor": actor.name,
        "words": actor.value,
        "is_role": actor in permissions.SCHOOL_ROLES,
        "eligible": sorted(role.name for role in permissions.ELIGIBLE.get(actor, ())),
        "explanation": permissions.EXPLANATIONS[actor],
    }


def _signatures(actor: Actor | None) -> list[dict[str, Any]]:
    """The signatures of every record type, or those of an actor."""
    return [
        {
            "record_type": record_type.name,
            "title": TITLES[record_type],
            "rank": signatory.rank,
            "signatory": signatory.role.name,
            "actor": signer.name,
            "words": _signer_words(signatory.role),
        }
        for record_type, signatories in SIGNATORIES.items()
        for signatory in signatories
        if (signer := permissions.SIGNERS[signatory.role]) and actor in (None, signer)
    ]


def _signer_words(role: SignatoryRole) -> str:
    words = _title(permissions.SIGNERS[role])
    return f"{words}, bằng dấu số của nhà trường" if role is SignatoryRole.SCHOOL_SEAL else words
