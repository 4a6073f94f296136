"""What a service's role at run time may do with its tables (ADR-0068).

Two roles know a database: its owner, as which `migrate` alone connects, and the user of run time,
which owns nothing. ``grants.toml`` beside a service's migrations gives that user rights by table
and column, as ``table = "SELECT, INSERT, UPDATE (column)"``; sequences stand there too.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

FILE = "grants.toml"
_FOREIGN = """
SELECT DISTINCT pg_get_userbyid(owner) FROM (
    SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS found (owner) WHERE owner <> current_user::regrole
"""
_ROLE = "SELECT current_user, pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = %s"


class GrantError(Exception):
    """A line of ``grants.toml`` cannot be granted. The message names it."""


def problem_of_roles(owner: psycopg.Connection[TupleRow], user: str) -> str:
    """What is wrong with the two roles of a database, and what to do; "" when nothing is."""
    role = owner.execute(_ROLE, (user,)).fetchone()
    if role is None:
        return f"there is no role {user}, which the service uses at run time; create it"
    name, may_become_owner = role
    if may_become_owner:
        return f"the role {user} is or may become the owner {name}; revoke that"
    if foreign := owner.execute(_FOREIGN).fetchone():
        return (
            f"tables belong to {foreign[0]} and not to {name}; as a superuser in this database:"
            f" REASSIGN OWNED BY {foreign[0]} TO {name} (docs/operations.md)"
        )
    return ""


def give(owner: psycopg.Connection[TupleRow], user: str, folders: Sequence[Path]) -> None:
    """Give `user` the rights that the folders' files list, in one step, and take every other.

    A folder without a file gives none. Raises GrantError.
    """
    to = sql.Identifier(user)
    with owner.transaction():
        for kind in ("TABLES", "SEQUENCES"):
            owner.execute(sql.SQL("REVOKE ALL ON ALL {} IN SCHEMA public FROM PUBLIC, {}").format(sql.SQL(kind), to))
        for folder in folders:
            for table, rights in read(folder).items():
                if not rights:
                    continue
                statement = f"GRANT {rights} ON {table} TO {to.as_string(owner)}"
                try:
                    owner.execute(statement.encode())
                except psycopg.ProgrammingError as e:
                    raise GrantError(f"{folder.name}/{FILE}: {table}: {e}") from e


def read(folder: Path) -> dict[str, str]:
    """Table or sequence → the rights that the file in `folder` gives."""
    file = folder / FILE
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
