"""Whether a datum is entered directly or corrected now: the rule of `settling` over the windows of
the school year.
"""

from services.common.db import Tx
from services.common.errors import Rejected
from services.gradebook.entry.store import attendance, windows
from services.gradebook.model import settling
from services.gradebook.model.correction_rules import Datum
from services.gradebook.model.settling import Cover, WindowVerdict
from services.gradebook.roster import clock, roster_store


def check_attendance(tx: Tx, year_id: int, school_year: str, class_id: int, month: str) -> None:
    """Attendance of a month is entered without a window until one has closed over it, then in a
    window as marks are.

    So is the first sheet of a class whose totals were keyed: they would count no more. Raises
    Rejected WINDOW_CLOSED.
    """
    covers = [settling.attendance_cover(month, school_year)]
    if not attendance.is_kept(tx, class_id) and attendance.totals_keyed(tx, class_id):
        covers.append(settling.TOTALS_COVER)
    if any(
        _verdict(tx, year_id, class_id, cover)[0] in {WindowVerdict.SETTLED, WindowVerdict.CLOSING} for cover in covers
    ):
        message = "Đợt nhập bao gồm dữ liệu này đã đóng; hãy lập đề nghị sửa hoặc chờ đợt nhập mới."
        raise Rejected("WINDOW_CLOSED", message, month=month)


def check_correctable(tx: Tx, year_id: int, school_year: str, datum: Datum) -> None:
    """Corrections are for what no window has open and one has closed over.

    Raises Rejected WINDOW_OPEN, WINDOW_CLOSING, WINDOW_NOT_CLOSED.
    """
    verdict, names = _verdict(tx, year_id, datum.class_id, settling.cover(datum, school_year))
    if verdict is WindowVerdict.OPEN:
        message = "Dữ liệu này đang trong thời hạn nhập; hãy nhập trực tiếp."
        raise Rejected("WINDOW_OPEN", message, windows=",".join(names))
    if verdict is WindowVerdict.CLOSING:
        message = "Đợt nhập đã hết hạn và đang được đóng; hãy thử lại sau ít phút."
        raise Rejected("WINDOW_CLOSING", message, windows=",".join(names))
    if verdict is WindowVerdict.NOT_SETTLED:
        raise Rejected("WINDOW_NOT_CLOSED", "Chưa có đợt nhập nào của dữ liệu này được đóng.")


def _verdict(tx: Tx, year_id: int, class_id: int, cover: Cover) -> tuple[WindowVerdict, list[str]]:
    covering = windows.covering(tx, year_id, cover.semesters, roster_store.grade_level(tx, class_id))
    return settling.window_verdict(covering, cover, clock.now(tx))
