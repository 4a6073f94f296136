"""Student registers over gRPC: a personal detail is corrected after a version was frozen."""

from hoso.gradebook.v1 import common_pb2, register_pb2

from tests.integration.gradebook.books.line import Announce
from tests.integration.gradebook.records.lines import RecordLine, whole_year_ref
from tests.integration.gradebook.register.schools import details, register_all
from tests.integration.gradebook.world import WHOLE_YEAR, World, student_message


def test_a_detail_put_right_stands_in_the_next_version_and_the_old_one_in_the_version_before(
    world: World, announce: Announce
) -> None:
    school_class, school = world.school.classes[0], world.school
    first = school_class.students[0]
    register_all(world)
    line = RecordLine(
        world,
        announce,
        school.seal_custodian,
        record_type=common_pb2.RECORD_TYPE_STUDENT_REGISTER,
        school_class=whole_year_ref(world),
        stage=WHOLE_YEAR,
    )
    before = line.content()
    line.assign()
    line.printed()
    line.act("StartReconciliation", school.data_officer)
    line.act("ReportMismatch", line.preparer, differences="Sai nơi sinh và quốc tịch của học sinh số 1.")
    right = student_message(first, birth_place="Bệnh viện Từ Dũ, Thành phố Hồ Chí Minh")
    world.ask("PutStudents", school_class=world.ref(school_class), students=[right])
    row = register_pb2.RegisterRow(student=first.id, entered_on="2025-08-20", details=details(nationality="Lào"))
    world.ask("RegisterStudents", person=school.data_officer, **world.year, rows=[row])
    assert line.content() == before
    assert line.freeze().version == 2
    after = line.content()
    changed = {"birth_place": right.birth_place, "nationality": "Lào"}
    assert after["rows"] == [before["rows"][0] | changed, *before["rows"][1:]]
    # No reason, requester or approver was recorded, so the list of corrections is empty.
    assert (before["corrections"], after["corrections"]) == ([], [])
    assert {move["kind"] for row in after["rows"] for move in row["movements"]} == {"ENTERED"}
