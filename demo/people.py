"""The people of an invented school: staff, students, parents; all derived from the seed."""

import datetime as dt
import random
from dataclasses import dataclass

from demo import names

_SEXES = ("MALE", "FEMALE")


@dataclass(frozen=True)
class Person:
    """Someone who works in the school. roles: PRINCIPAL, VICE_PRINCIPAL, DATA_OFFICER,
    SEAL_CUSTODIAN, TEACHER.
    """

    id: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Guardian:
    """Father or mother."""

    name: str
    job: str
    phone: str


@dataclass(frozen=True)
class Student:
    """A student with the personal details of the book. ability: drives the marks, not in the
    record.
    """

    id: str
    number: int
    name: str
    birth_date: str
    birth_place: str
    sex: str
    ethnicity: str
    priority: str
    address: str
    father: Guardian | None
    mother: Guardian | None
    ability: float


def office(rng: random.Random, code: str) -> tuple[Person, ...]:
    """Principal, vice principal, data officer, seal custodian."""
    roles = ("PRINCIPAL", "VICE_PRINCIPAL", "DATA_OFFICER", "SEAL_CUSTODIAN")
    ids = ("ht-01", "pht-01", "cb-01", "vt-01")
    return tuple(
        Person(f"{code}-{i}", names.person_name(rng, rng.choice(_SEXES)), (role,))
        for i, role in zip(ids, roles, strict=True)
    )


_STAFFING = {
    "VAN": 5, "TOAN": 5, "NN1": 4, "KHTN": 5, "LSDL": 4, "GDTC": 3,
    "NGHETHUAT": 4, "GDCD": 2, "CN": 2, "TIN": 2, "GDDP": 2,
}  # fmt: skip
"""Teachers per subject, for about seventeen periods per week each."""


def teachers(rng: random.Random, code: str) -> tuple[tuple[Person, ...], dict[str, list[str]]]:
    """Every teacher, and the ids of those who teach each subject."""
    staff: list[Person] = []
    taught_by: dict[str, list[str]] = {}
    for subject, count in _STAFFING.items():
        for _ in range(count):
            person = Person(f"{code}-gv-{len(staff) + 1:02d}", names.person_name(rng, rng.choice(_SEXES)), ("TEACHER",))
            staff.append(person)
            taught_by.setdefault(subject, []).append(person.id)
    return tuple(staff), taught_by


def students(rng: random.Random, code: str, class_index: int, grade: int, count: int) -> tuple[Student, ...]:
    """The students of a class in alphabetical order, numbered from 1."""
    unnumbered = []
    for _ in range(count):
        sex = rng.choice(_SEXES)
        born = dt.date(2025 - grade - 5, 1, 1) + dt.timedelta(days=rng.randrange(365))
        unnumbered.append(
            Student(
                id="",
                number=0,
                name=names.person_name(rng, sex),
                birth_date=born.isoformat(),
                birth_place=rng.choice(("Hải Phòng",) * 12 + ("Hải Dương", "Quảng Ninh", "Thái Bình", "Hà Nội")),
                sex=sex,
                ethnicity=rng.choice(names.ETHNICITIES),
                priority=rng.choice(names.PRIORITIES),
                address=names.address(rng),
                father=_guardian(rng, "MALE"),
                mother=_guardian(rng, "FEMALE"),
                ability=min(9.6, max(4.2, rng.gauss(7.6, 1.05))),
            )
        )
    unnumbered.sort(key=lambda s: names.alphabetical(s.name))
    return tuple(
        Student(**{**vars(s), "id": f"31{code[-3:]}{class_index + 1:02d}{i + 1:03d}", "number": i + 1})
        for i, s in enumerate(unnumbered)
    )


def _guardian(rng: random.Random, sex: str) -> Guardian | None:
    if rng.random() < 0.04:
        return None
    return Guardian(names.person_name(rng, sex), rng.choice(names.JOBS), names.phone(rng))
