"""Every statement of the services reads the rows of one school: ADR-0053.

Each function of each store is executed in a filled city; what it sends is noted with the line that
sends it, and explained. A call that executes SQL and was never reached fails the test, so a new
statement cannot be forgotten.
"""

import re
from collections.abc import Callable, Iterator

import psycopg
import pytest

from deploy.local import postgres
from services.common import db, grants
from services.common.settings import DatabaseConfig
from tests import servers
from tests.integration.plans import calling, city, rights, samples, sites
from tests.integration.plans.checking import Problem
from tests.integration.plans.recording import Recorder, Statement
from tests.integration.plans.sites import Site

WRONG_ARGUMENTS = (psycopg.ProgrammingError, psycopg.DataError, TypeError)
"""Errors of a call that was made with the wrong arguments. Others come after the statement was
planned.
"""


@pytest.fixture(scope="module")
def reached(database: Callable[[str], DatabaseConfig]) -> dict[str, list[Statement]]:
    """Service → what its functions executed."""
    return {service: _executed(service, database(service)) for service in samples.SERVICES}


def _executed(service: str, config: DatabaseConfig) -> list[Statement]:
    city.fill(config, service)
    recorder = Recorder(sites.sites())
    with db.connect(config) as tx:
        values = samples.values(service, tx)
        calls = [*_calls(service, tx, values), *samples.further_calls(service, config, tx)]
        tx.rollback()
        for call in calls:
            with recorder.recording():
                _call(call)
            tx.rollback()
    assert recorder.unknown == []
    distinct = {(statement.site, statement.text, _types(statement)): statement for statement in recorder.statements}
    return list(distinct.values())


def _calls(service: str, tx: db.Tx, values: calling.Values) -> Iterator[Callable[[], object]]:
    for module in samples.stores(service):
        for function in calling.store_functions(module):
            name = f"{module.__name__.rpartition('.')[2]}.{function.__name__}"
            for special in samples.SPECIAL.get(name, [{}]):
                for optional in (False, True):
                    positional, named = calling.arguments(function, {**values, **special}, optional=optional)
                    yield lambda f=function, p=positional, n=named: f(tx, *p, **n)  # type: ignore[misc]


def _call(call: Callable[[], object]) -> None:
    try:
        call()
    except psycopg.errors.InsufficientPrivilege as e:  # a row that is kept as it is
        if (e.diag.message_primary or "").startswith("permission denied"):
            raise
    except WRONG_ARGUMENTS:
        raise
    except Exception:  # noqa: BLE001 - such as a row that is there already, or one that is not
        return


def _types(statement: Statement) -> str:
    given = statement.parameters
    return str([type(value) for value in (given.values() if isinstance(given, dict) else given or ())])


def test_every_statement_is_reached(reached: dict[str, list[Statement]]) -> None:
    seen = _seen(reached)
    everywhere = set().union(*seen.values())
    missed = []
    for site in sites.sites():
        if site.name in samples.NOT_PLANNED:
            continue
        texts = seen.get(site, set()) if site.executes else everywhere
        if not texts:
            missed.append(f"{site}: not called")
        missed += [
            f"{site}: not executed: {pattern}"
            for pattern in sorted(site.texts)
            if not any(sites.matches(pattern, text) for text in texts)
        ]
    assert not missed, "\n".join(missed)


def test_every_statement_is_one_that_its_call_may_execute(reached: dict[str, list[Statement]]) -> None:
    """What the syntax tree says is complete: nothing else was executed there."""
    unforeseen = [
        f"{site}: {text}"
        for site, texts in _seen(reached).items()
        for text in sorted(texts)
        if site.texts and not any(sites.matches(pattern, text) for pattern in site.texts)
    ]
    assert not unforeseen, "\n".join(unforeseen)


def _seen(reached: dict[str, list[Statement]]) -> dict[Site, set[str]]:
    seen: dict[Site, set[str]] = {}
    for statements in reached.values():
        for statement in statements:
            seen.setdefault(statement.site, set()).add(statement.text)
    return seen


def test_no_statement_is_hidden_by_the_way_it_is_written() -> None:
    forbidden = [shape for module in sites.modules() for shape in sites.forbidden_in(module)]
    assert not forbidden, "\n".join(forbidden)


def test_modules_that_pass_on_execute_nothing_else() -> None:
    passing_on = [site.name for path in sites.PASSING_ON for site in sites.sites_in(sites.module(path))]
    assert set(passing_on) == set(samples.PASSING_ON)


def test_what_is_composed_while_running_is_named_and_nothing_else_is() -> None:
    composed = {(site.name, hole) for site in sites.sites() for hole in site.holes}
    assert composed == {(function, hole) for function, holes in samples.COMPOSED.items() for hole in holes}


@pytest.mark.parametrize("service", samples.SERVICES)
def test_every_statement_reads_the_rows_of_one_school(
    service: str, reached: dict[str, list[Statement]], database: Callable[[str], DatabaseConfig]
) -> None:
    wrong = [
        f"{explained.statement.site}: {problem}"
        for explained in city.explain(database(service), reached[service])
        for problem in sorted(explained.problems)
        if problem not in samples.ALLOWED.get(explained.statement.site.name, {})
    ]
    assert not wrong, "\n".join(wrong)


_OF_A_TABLE = re.compile(r"\b(FROM|JOIN)\s+[a-z_]+\b(?!\()|\b(INSERT INTO|UPDATE|DELETE FROM)\s+[a-z_]+ ")


def test_the_statements_inside_functions_do_so_too(
    reached: dict[str, list[Statement]],
    database: Callable[[str], DatabaseConfig],
    postgres_server: servers.PostgresServer,
) -> None:
    stack = postgres_server.stack
    for service in samples.SERVICES:
        with psycopg.connect(
            host=str(stack.sockets),
            port=stack.port(postgres.PORT_OFFSET),
            user=postgres.SUPERUSER,
            dbname=database(service).name,
        ) as superuser:
            bodies = superuser.execute(
                "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            ).fetchall()
            assert {name for name, body in bodies if _OF_A_TABLE.search(body)} == set(samples.INSIDE)
            for call in samples.INSIDE.values():
                assert city.explain_inside(superuser, call) == []
            superuser.rollback()


def test_an_exception_is_listed_only_where_it_is_needed(
    reached: dict[str, list[Statement]], database: Callable[[str], DatabaseConfig]
) -> None:
    violated: set[tuple[str, Problem]] = {
        (explained.statement.site.name, problem)
        for service, statements in reached.items()
        for explained in city.explain(database(service), statements)
        for problem in explained.problems
    }
    named = {(function, problem) for function, allowed in samples.ALLOWED.items() for problem in allowed}
    assert named - violated == set()


def test_no_right_is_given_that_no_statement_needs(
    reached: dict[str, list[Statement]],
    database: Callable[[str], DatabaseConfig],
    postgres_server: servers.PostgresServer,
) -> None:
    common = [s for each in reached.values() for s in each if s.site.path.startswith("services/common/")]
    for folder, statements in {"common": common, **reached}.items():
        service = "gradebook" if folder == "common" else folder
        given = list(rights.rights(grants.read(sites.SERVICES / folder)))
        with postgres.admin(postgres_server.stack, database(service).name) as superuser:
            superfluous = rights.unused(superuser, service, given, statements, samples.FUNCTION_RIGHTS)
        assert [str(right) for right in superfluous] == [], folder
