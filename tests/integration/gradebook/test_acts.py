"""One act of entry: a request id is one act, whatever its kind; the audit chain binds everything
that it wrote.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hoso.gradebook.v1 import achievements_pb2, class_book_pb2, marks_pb2, remarks_pb2

from services.common import audit
from services.common.errors import Conflict, HosoError
from services.common.settings import DatabaseConfig
from services.gradebook.entry.store import acts
from services.gradebook.model.entry_kinds import EntryKind
from tests.integration.common.messages import eventually
from tests.integration.gradebook import act_digests
from tests.integration.gradebook.class_corrections import ClassCorrections
from tests.integration.gradebook.streams import send, sheet
from tests.integration.gradebook.world import FINAL, FIRST, MIDTERM, REGULAR, SECOND, World, served
from tests.owning import as_owner
from tests.servers import Pki

COLUMNS = [(REGULAR, 1), (REGULAR, 2), (MIDTERM, 0), (FINAL, 0)]


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """Semester I of the first class is complete and closed, semester II is open; the second class
    has no marks.
    """
    with served(pki_files, database("gradebook"), classes=2, students=6) as world:
        world.put_roster()
        world.plan_window("HK1", semesters=(FIRST,))
        world.complete(world.school.classes[0], (FIRST,))
        world.close_window("HK1")
        world.plan_window("HK2", semesters=(SECOND,))
        yield world


class Requests:
    """A request of each kind;

    `number` makes it differ from others, and names what nobody has asked for yet.
    """

    def __init__(self, world: World) -> None:
        self.world, (self.first, self.second) = world, world.school.classes

    def _as_homeroom(self, rpc: str, request_id: str, index: int = 0, **fields: Any) -> Any:
        school_class = self.world.school.classes[index]
        return self.world.ask(
            rpc,
            person=school_class.homeroom_teacher,
            request_id=request_id,
            school_class=self.world.ref(school_class),
            **fields,
        )

    def marks(self, request_id: str, number: int) -> Any:
        rows = {self.first.students[0].id: [f"{number % 10}"]}
        return self.world.enter(self.first, "TOAN", SECOND, [(FINAL, 0)], rows, request_id=request_id)

    def _import(self, request_id: str, rows: dict[str, list[str]], number: int) -> Any:
        columns = [(FINAL, 0)] if rows else []
        said = {self.first.students[1].id: f"Lời nhận xét thứ {number}."}
        sent = sheet(self.world, self.first, "VAN", SECOND, columns, rows=rows, request_id=request_id, remarks=said)
        (answer,) = send(self.world, [sent])
        if answer.refusal.reason:
            raise Conflict(answer.refusal.reason, answer.refusal.message)
        return answer

    def marks_with_remarks(self, request_id: str, number: int) -> Any:
        return self._import(request_id, {self.first.students[1].id: [f"{number % 10}"]}, number)

    def remarks_in_a_sheet(self, request_id: str, number: int) -> Any:
        return self._import(request_id, {}, number)

    def settlement(self, request_id: str, number: int) -> Any:
        return self.world.ask(
            "SettleMissingMarks",
            person=self.first.assignments["KHTN"][0],
            request_id=request_id,
            school_class=self.world.ref(self.first),
            subject="KHTN",
            semester=SECOND,
            columns=[marks_pb2.MarkColumn(kind=FINAL)],
            students=[self.first.students[number % 6].id],
            reason=f"Vắng kiểm tra không lí do, biên bản {number}.",
        )

    def conduct(self, request_id: str, number: int) -> Any:
        row = marks_pb2.ConductRow(student=self.first.students[number % 6].id, level=1 + number % 4)  # type: ignore[arg-type]
        return self._as_homeroom("EnterConduct", request_id, semester=SECOND, rows=[row])

    def absences(self, request_id: str, number: int) -> Any:
        row = marks_pb2.AbsenceRow(student=self.first.students[0].id, excused=number, unexcused=1)
        return self._as_homeroom("EnterAbsences", request_id, rows=[row])

    def attendance(self, request_id: str, number: int) -> Any:
        absence = class_book_pb2.Absence(day=1 + number % 28, session=class_book_pb2.SESSION_MORNING, excused=True)
        row = class_book_pb2.AttendanceRow(student=self.second.students[0].id, absences=[absence])
        return self._as_homeroom("EnterAttendance", request_id, 1, month="2026-03", rows=[row])

    def remarks(self, request_id: str, number: int) -> Any:
        row = remarks_pb2.RemarkRow(student=self.first.students[2].id, text=f"Tiến bộ, lần {number}.")
        period = remarks_pb2.REMARK_PERIOD_WHOLE_YEAR
        return self._as_homeroom("EnterRemarks", request_id, period=period, rows=[row])

    def achievements(self, request_id: str, number: int) -> Any:
        text = f"Giải Ba cấp thành phố, lần {number}"
        row = achievements_pb2.AchievementRow(student=self.first.students[3].id, text=text)
        kind = achievements_pb2.ACHIEVEMENT_KIND_COMPETITION
        return self._as_homeroom("EnterAchievements", request_id, kind=kind, rows=[row])

    def exemption(self, request_id: str, number: int) -> Any:
        return self.world.ask(
            "RecordPracticalExemption",
            person=self.world.school.principal,
            request_id=request_id,
            school_class=self.world.ref(self.first),
            subject="GDTC",
            student=self.first.students[4].id,
            semesters=[FIRST, SECOND],
            decision=f"Quyết định số {number}/QĐ-THCS",
        )

    def correction(self, request_id: str, number: int) -> Any:
        kind, position = COLUMNS[number % 4]
        return ClassCorrections(self.world).request(
            "0.1",
            request_id=request_id,
            student=self.first.students[number // 4 % 6].id,
            column={"kind": kind, "position": position},
        )


KINDS = [name for name in vars(Requests) if not name.startswith("_")]
_numbers = iter(range(1, 1000))
_corrections = iter(range(24))


def number_of(kind: str) -> int:
    """A number for the next request; each correction is of a cell of its own, for none may be open
    there.
    """
    return next(_corrections) if kind == "correction" else next(_numbers)


def written(world: World) -> list[tuple[Any, ...]]:
    tables = ("entry", "mark", "conduct", "absence", "attendance", "remark", "achievement", "practical_exemption")
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in (*tables, "correction", "remark_entry"))
    return world.rows(f"SELECT {counts}, (SELECT count(*) FROM audit_entry WHERE action <> 'REFUSED')")


@pytest.mark.parametrize("first", KINDS)
def test_a_request_id_is_one_act_whatever_its_kind(world: World, first: str) -> None:
    requests = Requests(world)
    request_id, number = str(uuid.uuid4()), number_of(first)
    answer = getattr(requests, first)(request_id, number)
    assert world.rows("SELECT count(*) FROM entry WHERE request_id = %s", request_id) == [(1,)]
    before = written(world)
    for second in KINDS:
        with pytest.raises(Conflict) as reused:
            # Of the same kind another request; a correction's number may be any, for it gets no
            # further.
            getattr(requests, second)(request_id, number + 1 if second == first else 7)
        assert reused.value.reason == "REQUEST_ID_REUSED", second
    assert getattr(requests, first)(request_id, number) == answer
    assert written(world) == before


def test_messages_of_two_kinds_with_the_same_bytes_are_two_requests(world: World) -> None:
    school_class, student, request_id = (
        world.school.classes[0],
        world.school.classes[0].students[5].id,
        str(uuid.uuid4()),
    )
    named = {"request_id": request_id, "school_class": world.ref(school_class)}
    absences = marks_pb2.EnterAbsencesRequest(**named, rows=[marks_pb2.AbsenceRow(student=student, excused=2)])
    level = class_book_pb2.SummerConductRow(student=student, level=2)  # type: ignore[arg-type]
    summer = class_book_pb2.EnterSummerConductRequest(**named, rows=[level])
    assert absences.SerializeToString(deterministic=True) == summer.SerializeToString(deterministic=True)
    world.ask("EnterAbsences", person=school_class.homeroom_teacher, **named, rows=absences.rows)
    with pytest.raises(Conflict) as reused:
        world.ask("EnterSummerConduct", person=school_class.homeroom_teacher, **named, rows=summer.rows)
    assert reused.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("other", ["remarks", "achievements", "exemption", "correction", "remarks_in_a_sheet"])
def test_two_kinds_at_once_under_one_id_are_one_act_and_one_conflict(world: World, other: str) -> None:
    requests = Requests(world)
    for _ in range(3):
        request_id, outcomes, ready = str(uuid.uuid4()), [], threading.Barrier(2)

        def ask(kind: str, request_id: str = request_id, outcomes: list[str] = outcomes, ready: Any = ready) -> None:
            number = number_of(kind)
            ready.wait()
            try:
                getattr(requests, kind)(request_id, number)
                outcomes.append("entered")
            except HosoError as e:
                outcomes.append(e.reason)

        threads = [threading.Thread(target=ask, args=(kind,)) for kind in ("marks", other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["REQUEST_ID_REUSED", "entered"]
        assert world.rows("SELECT count(*) FROM entry WHERE request_id = %s", request_id) == [(1,)]


def test_the_audit_chain_binds_every_kind(world: World) -> None:
    requests = Requests(world)
    for kind in KINDS:
        number = number_of(kind)
        answer = getattr(requests, kind)(str(uuid.uuid4()), number)
        if kind == "correction":
            correction = answer
        else:  # again by another request: an act that changes nothing
            getattr(requests, kind)(str(uuid.uuid4()), number)
    unchanging = world.rows("SELECT DISTINCT kind FROM entry WHERE changed = 0 AND coalesce(texts_changed, 0) = 0")
    assert {kind for (kind,) in unchanging} >= {EntryKind.ATTENDANCE, EntryKind.REMARKS, EntryKind.ACHIEVEMENTS}
    corrections = ClassCorrections(world)
    corrections.decide(corrections.confirm(correction))
    with world.database.transaction() as tx:
        checked = act_digests.check_audit(tx)
        assert audit.verify(tx) == []
    assert checked.keys() >= {
        "MARKS_ENTERED",
        "MARKS_SETTLED",
        "CONDUCT_ENTERED",
        "ABSENCES_ENTERED",
        "ATTENDANCE_ENTERED",
        "REMARKS_ENTERED",
        "ACHIEVEMENTS_ENTERED",
        "PRACTICAL_EXEMPTION_RECORDED",
        "CORRECTION_REQUESTED",
        "CORRECTION_APPROVED",
    }


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("remark", "remark = remark || '.'"),
        ("achievement", "achieved = 'Giải Nhất'"),
        ("attendance", "excused = '{12}'"),
        ("practical_exemption", "decision = 'Quyết định số 0'"),
        ("entry", "vals = '{100}'"),
        ("entry", "reason = 'Khác.'"),
    ],
)
def test_a_changed_row_does_not_fit_its_audit_row(world: World, table: str, change: str) -> None:
    requests = Requests(world)
    kinds = {"remark": "remarks", "achievement": "achievements", "practical_exemption": "exemption"}
    kind = kinds.get(table, "marks" if table == "entry" else table)
    request_id = str(uuid.uuid4())
    getattr(requests, kind)(request_id, number_of(kind))
    with as_owner(world.database.config) as tx:
        digest = act_digests.digest_2(tx, request_id)
        assert act_digests.check_audit(tx)
        tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        tx.execute(f"UPDATE {table} SET {change} WHERE request_id = %s".encode(), (request_id,))
        assert act_digests.digest_2(tx, request_id) != digest
        misfits = [facts["request"] for _, facts, fits in act_digests.compare_audit(tx) if not fits]
        assert misfits == [request_id]
        tx.rollback()


@pytest.mark.parametrize("kind", ["remarks", "achievements", "exemption"])
def test_an_act_of_another_school_under_way_with_the_same_id_is_waited_for(world: World, kind: str) -> None:
    request_id, outcomes = str(uuid.uuid4()), []

    def ask() -> None:
        try:
            getattr(Requests(world), kind)(request_id, number_of(kind))
            outcomes.append("entered")
        except HosoError as e:
            outcomes.append(e.reason)

    thread = threading.Thread(target=ask)
    with world.database.transaction() as tx:
        # What an entry of another school does, whose year nobody here holds.
        acts.hold_request(tx, uuid.UUID(request_id))
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: world.rows(waiting) == [(1,)])
        tx.execute(
            "INSERT INTO entry (request_id, request_sha256, kind, class_id, person, client, reason, changed,"
            " unchanged, students, columns, versions, vals)"
            " VALUES (%s, sha256('x'), 1, 0, '', '', '', 0, 0, '{}', '{}', '{}', '{}')",
            (request_id,),
        )
    thread.join()
    assert outcomes == ["REQUEST_ID_REUSED"]
