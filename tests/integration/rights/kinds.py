"""Who calls: every kind of client and every kind of person, as the table of rights names them.

Their words stand in docs/rights.md. The data that a call asks for are those of school A.
"""

from dataclasses import dataclass

from tests.integration.rights.people import People


@dataclass(frozen=True)
class Client:
    """A kind of client. certificate: its name, such as ``vendor/smas``; suspended: whether the
    Department has stopped that vendor when the calls are made.
    """

    key: str
    words: str
    certificate: str
    suspended: bool = False


@dataclass(frozen=True)
class Person:
    """A kind of person by whose token a client calls; `person` is None for a call without token.

    school: for which the token is. of_another_client: the token was given to another client.
    """

    key: str
    words: str
    person: str | None
    school: str
    of_another_client: bool = False


OWN = Client("own", "the software that school A uses this year", "vendor/smas")
CLIENTS = (
    OWN,
    Client("suspended", "the same software, while the Department suspends it", "vendor/smas", suspended=True),
    Client("other", "software of another school", "vendor/vietschool"),
    Client("unknown", "software with a certificate that the Department has never registered", "vendor/chua-dang-ki"),
    Client("Department", "the Department's operators", "operator/department"),
    Client("operator", "an operator's certificate with any other name", "operator/khac"),
    Client("gradebook", "the service gradebook", "service/gradebook"),
    Client("print", "the service print", "service/print"),
    Client("signing", "the service signing", "service/signing"),
    Client("archive", "the service archive", "service/archive"),
)


def persons(a: People, b: People) -> tuple[Person, ...]:
    """Every kind of person. a: of school A, whose data are asked for; b: of another school."""
    return (
        Person("nobody", "no token: the client calls for itself", None, a.school),
        Person("stolen", "the principal's token, which was given to another client", a.principal, a.school, True),
        Person("elsewhere", "the principal of another school", b.principal, b.school),
        Person("stranger", "somebody whom nobody has entered as staff of A", "gv-la", a.school),
        Person("student", "a student of the class", a.student, a.school),
        Person("other class", "a teacher of A who does not teach the class", a.other_teacher, a.school),
        Person("other subject", "a teacher of another subject in the class", a.class_teacher, a.school),
        Person("teacher", "the teacher of the subject in the class", a.teacher, a.school),
        Person("homeroom", "the homeroom teacher of the class", a.homeroom, a.school),
        Person("seal", "the seal custodian", a.seal_custodian, a.school),
        Person("data officer", "the data officer, who reviews the book", a.data_officer, a.school),
        Person("vice principal", "a vice principal", a.vice_principal, a.school),
        Person("principal", "the principal", a.principal, a.school),
    )
