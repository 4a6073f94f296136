"""Frozen class books of the demo school, made by the real gradebook: what rendering and signing are
measured with.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from hoso.gradebook.v1 import books_pb2, common_pb2

from bench import stack as stacks
from cli.connection import Persons, Services, call, download
from cli.profile import Profile
from demo import dossier, load
from demo.school import SEMESTERS, School, SchoolClass, school
from deploy.local import rabbitmq
from deploy.local.layout import Stack
from services import gradebook
from services.common import config, db
from services.common.grpc_client import channel
from services.common.settings import DatabaseConfig
from services.gradebook.config import Config

STUDENTS = 42
"""Students in a class of usual size."""

_SERVICE = "gradebook"
MIGRATIONS = Path(gradebook.__file__).parent / "migrations"


def profile(stack: Stack) -> Profile:
    """Addresses of the services and the tokens we may issue, as the command ``hoso`` reads them."""
    return config.load(Profile, stack.config / "cli.toml")


@contextlib.contextmanager
def serving(stack: Stack) -> Iterator[DatabaseConfig]:
    """Gradebook's role `serve` over an empty database, which the block gets."""
    broker = rabbitmq.config(stack, f"service/{_SERVICE}")
    with stacks.empty_database(stack, _SERVICE) as database:
        db.migrate(database, [MIGRATIONS])
        settings = Config(database, broker, stacks.server(stack, _SERVICE))
        with stacks.running(stack, _SERVICE, "serve", settings):
            with channel(stacks.peer(stack, _SERVICE, "operator/department"), _SERVICE) as probe:
                grpc.channel_ready_future(probe).result(timeout=60)
            yield database


def contents(stack: Stack, *, classes: int, students: int = STUDENTS) -> list[bytes]:
    """The canonical bytes of the whole-year books of so many classes."""
    with serving(stack):
        configured = profile(stack)
        operator = Services(configured, configured.tls)
        vendor = Services(configured, stacks.tls(stack, f"vendor/{dossier.VENDOR}"))
        reader = Services(configured, stacks.tls(stack, "service/print"))
        invented = school(classes=classes, students_per_class=students)
        persons = Persons(configured, invented.code)
        enter_year(operator, vendor, persons, invented)
        books = [_freeze(vendor, persons, invented, school_class) for school_class in invented.classes]
        return [
            download(reader.books.DownloadBookContent, books_pb2.DownloadBookContentRequest(book=book))
            for book in books
        ]


def enter_year(operator: Services, vendor: Services, persons: Persons, invented: School) -> tuple[float, float]:
    """A school's whole year: roster, dossier, marks, both windows closed. Returns seconds of keying
    and of closing.
    """
    load.roster(operator, vendor, persons, invented, paper=False)
    for semester in SEMESTERS:
        load.plan_window(vendor, persons, invented, semester)
    dossier.adopt(operator, vendor, persons, invented, list(load.WINDOWS.values()))
    keying = closing = 0.0
    for semester in SEMESTERS:
        began = time.perf_counter()
        load.key_marks(vendor, persons, invented, semester, lambda: None)
        for school_class in invented.classes:
            load.key_absences(vendor, persons, invented, school_class)
        keyed = time.perf_counter()
        load.close_window(vendor, persons, invented, load.WINDOWS[semester])
        keying += keyed - began
        closing += time.perf_counter() - keyed
    return keying, closing


def _freeze(vendor: Services, persons: Persons, invented: School, school_class: SchoolClass) -> str:
    request = books_pb2.FreezeBookRequest(
        school_class=load.class_ref(invented, school_class), stage=common_pb2.STAGE_WHOLE_YEAR
    )
    return call(vendor.books.FreezeBook, request, persons.token(school_class.homeroom_teacher)).book.id
