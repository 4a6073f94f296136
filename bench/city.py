"""A city's year: does a mark cost more when many schools have entered theirs, and does reading a
class cost more when the table holds a city?
"""

from bench import city_table, school
from bench import stack as stacks
from bench.pairs import Tell
from bench.report import Row
from cli.connection import Persons, Services
from demo import dossier
from demo.school import school as invent
from deploy.local.layout import Stack

SCHOOLS = (3, 6, 12, 24)
"""Schools in the database at each point of the curve; one has 900 students, so 24 are two percent
of a city.
"""
_CLASSES, _STUDENTS = 20, 45
_FIRST_CODE = 79100001


def measure(stack: Stack, full: float, tell: Tell) -> list[Row]:
    """The curve of loading and closing through gRPC, then reads of the table at 1 % and at `full`
    of a city.
    """
    return [*growth(stack, tell), *city_table.measure(stack, (0.01, full), tell)]


def growth(stack: Stack, tell: Tell) -> list[Row]:
    """Microseconds per mark for keying and for closing with snapshots, of the schools added since
    the previous point.
    """
    rows = []
    with school.serving(stack) as database:
        configured = school.profile(stack)
        operator = Services(configured, configured.tls)
        vendor = Services(configured, stacks.tls(stack, f"vendor/{dossier.VENDOR}"))
        before = 0
        for point in SCHOOLS:
            keying = closing = 0.0
            marks = city_table.marks_in(database)
            for number in range(before, point):
                invented = invent(classes=_CLASSES, students_per_class=_STUDENTS, code=str(_FIRST_CODE + number))
                spent = school.enter_year(operator, vendor, Persons(configured, invented.code), invented)
                keying, closing = keying + spent[0], closing + spent[1]
            stand = city_table.marks_in(database)
            cells = stand - marks
            share = point * _CLASSES * _STUDENTS / city_table.STUDENTS
            note = f"{point} schools, {share:.2%} of a city, {stand:,} marks"
            tell(f"{note}: keyed in {keying:.1f} s, closed in {closing:.1f} s")
            name = f"city.load.{share * 100:.2f}_percent"
            rows.append(Row(f"{name}.keying", keying / cells * 1e6, "µs/mark", note=note))
            rows.append(
                Row(f"{name}.closing", closing / cells * 1e6, "µs/mark", note="both windows, one snapshot per class")
            )
            before = point
    return rows
