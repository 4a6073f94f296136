"""The table of rights: measured by calling, and written so that a person can read it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from deploy.local.layout import REPOSITORY, SERVICES
from tests.integration.rights.city import City
from tests.integration.rights.kinds import CLIENTS, OWN, Client, Person
from tests.integration.rights.outcomes import ALLOWED, WORDS, Outcome, send
from tests.integration.rights.requests import Requests, Row, rows

FILE = REPOSITORY / "docs" / "rights.md"
Cells = Mapping[tuple[Row, Client, Person], Outcome]
EVERY = "every service"
"""The section of what all services serve alike."""
_AT_ONCE = 8

_HEAD = """# Who may call what

Written by `make rights`, from calls to the running services; a test compares it with what they do
(`tests/integration/rights/`). Each call was made by every kind of client, for every kind of person,
and asked for the data of one school, A; {cells:,} calls in all.

What a person may do is the table of permissions (`hoso permissions`), which the first table of
gradebook shows at work. What a mark does not say: whether the state of things allows the act.

| mark | the call was |
|---|---|
"""


def measure(city: City, persons: Sequence[Person], suspended: bool) -> dict[tuple[Row, Client, Person], Outcome]:
    """The outcomes of all calls by the clients that are suspended, or by the others."""
    requests = Requests(city)

    def cell(row: Row, client: Client, person: Person) -> Outcome:
        token = city.token(person, client.certificate)
        request = requests.make(row, token).SerializeToString()
        return send(city.channel(row.service, client.certificate), row, "" if row.carries_token else token, request)

    wanted = [
        (row, client, person)
        for service in SERVICES
        for row in rows(service)
        for client in CLIENTS
        if client.suspended == suspended
        for person in persons
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(lambda each: cell(*each), wanted), strict=True))


def draw(cells: Cells, persons: Sequence[Person]) -> str:
    """The table as Markdown."""
    lines = [_HEAD.format(cells=len(cells)).rstrip()]
    lines += [f"| {letter} | {words} |" for letter, words in WORDS.items()]
    lines += ["", "| client | is |", "|---|---|", *(f"| {c.key} | {c.words} |" for c in CLIENTS)]
    lines += ["", "| person | is |", "|---|---|", *(f"| {p.key} | {p.words} |" for p in persons)]
    for section, listed in _sections(cells, persons).items():
        lines += ["", f"## {section}", "", "### Through the software of the school"]
        lines += ["", *_by_person(cells, listed, persons)]
        lines += ["", "### By each client for itself", "", *_by_client(cells, listed, persons[0])]
        lines += ["", "### For a person through each other client", "", *_by_others(cells, listed, persons[1:])]
    return "\n".join(lines) + "\n"


def _sections(cells: Cells, persons: Sequence[Person]) -> dict[str, list[Row]]:
    """What each service serves alone, and what all serve with the same rights."""

    def vector(row: Row) -> str:
        return "".join(cells[row, client, person].letter for client in CLIENTS for person in persons)

    alike: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for service in SERVICES:
        for row in rows(service):
            alike[row.path, row.name, vector(row)].append(row)
    sections: dict[str, list[Row]] = {service: [] for service in SERVICES} | {EVERY: []}
    for same in alike.values():
        if len(same) == len(SERVICES):
            sections[EVERY].append(same[0])
        else:
            for row in same:
                sections[row.service].append(row)
    return sections


def _by_person(cells: Cells, listed: Sequence[Row], persons: Sequence[Person]) -> Iterator[str]:
    yield from _columns("call", [person.key for person in persons])
    for row in listed:
        yield _line(row.name, [cells[row, OWN, person].letter for person in persons])


def _by_client(cells: Cells, listed: Sequence[Row], nobody: Person) -> Iterator[str]:
    yield from _columns("call", [client.key for client in CLIENTS])
    for row in listed:
        yield _line(row.name, [cells[row, client, nobody].letter for client in CLIENTS])


def _by_others(cells: Cells, listed: Sequence[Row], persons: Sequence[Person]) -> Iterator[str]:
    """Calls that are answered alike share a line."""
    yield from _columns("client", [*(person.key for person in persons), "calls"])
    for client in CLIENTS:
        if client is OWN:
            continue
        alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for row in listed:
            alike[tuple(cells[row, client, person].letter for person in persons)].append(row.name)
        most = max(alike.values(), key=len)
        for letters, names in sorted(alike.items(), key=lambda item: len(item[1])):
            others = "all" if len(alike) == 1 else "all others"
            yield _line(client.key, [*letters, others if names is most else ", ".join(names)])


def _columns(first: str, names: Sequence[str]) -> Iterator[str]:
    yield _line(first, names)
    yield "|---" * (len(names) + 1) + "|"


def _line(first: str, cells: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def allowed(cells: Cells) -> Iterator[tuple[Row, Client, Person, Outcome]]:
    """The calls that were let through."""
    for (row, client, person), outcome in cells.items():
        if outcome.letter == ALLOWED:
            yield row, client, person, outcome
