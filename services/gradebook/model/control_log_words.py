"""Titles of the rows of the e-gradebook's control log (sổ theo dõi; HCMC 3260/GDĐT-GDTrH mục 3).

The log is not a second record: it is the school's audit chain without the ordinary entries,
together with the refused requests.
"""

from services.gradebook.model.permissions import Permission

TITLES = {
    "SCHOOL_PUT": Permission.PUT_SCHOOL.value.name,
    "SCHOOL_YEAR_PUT": Permission.PUT_SCHOOL_YEAR.value.name,
    "PEOPLE_PUT": Permission.PUT_PEOPLE.value.name,
    "SUBJECTS_PUT": Permission.PUT_SUBJECTS.value.name,
    "CLASSES_PUT": Permission.PUT_CLASSES.value.name,
    "STUDENTS_PUT": Permission.PUT_STUDENTS.value.name,
    "ASSIGNMENTS_PUT": Permission.PUT_ASSIGNMENTS.value.name,
    "WINDOW_PLANNED": Permission.PLAN_WINDOW.value.name,
    "WINDOW_CLOSED": Permission.CLOSE_WINDOW.value.name,
    "MARKS_SETTLED": Permission.SETTLE_MISSING_MARKS.value.name,
    "CORRECTION_REQUESTED": "Đề nghị sửa dữ liệu sau thời hạn nhập",
    "CORRECTION_CONFIRMED": Permission.CONFIRM_CORRECTION.value.name,
    "CORRECTION_APPROVED": Permission.APPROVE_CORRECTION.value.name,
    "CORRECTION_REJECTED": Permission.REJECT_CORRECTION.value.name,
    "CORRECTION_WITHDRAWN": Permission.WITHDRAW_CORRECTION.value.name,
    "STUDENTS_REGISTERED": Permission.REGISTER_STUDENTS.value.name,
    "STUDENT_MOVED": "Ghi biến động học sinh",
    "PRACTICAL_EXEMPTION_RECORDED": "Ghi quyết định miễn học phần thực hành",
    "PRACTICAL_EXEMPTION_WITHDRAWN": "Bỏ quyết định miễn học phần thực hành",
    "PRINCIPAL_REMARK_RECORDED": Permission.RECORD_PRINCIPAL_REMARK.value.name,
    "BOOK_FROZEN": Permission.FREEZE_BOOK.value.name,
    "BOOK_ASSIGN_PRINT": Permission.ASSIGN_PRINT.value.name,
    "BOOK_PRINT": Permission.PRINT_BOOK.value.name,
    "BOOK_PROBLEM": "Vướng mắc khi in, ký hoặc lưu trữ sổ",
    "BOOK_START_RECONCILIATION": Permission.START_RECONCILIATION.value.name,
    "BOOK_CONFIRM": Permission.CONFIRM_RECONCILIATION.value.name,
    "BOOK_REPORT_MISMATCH": Permission.REPORT_MISMATCH.value.name,
    "BOOK_HAND_SIGN": Permission.RECORD_HAND_SIGNED.value.name,
    "BOOK_STAMP": Permission.RECORD_STAMPED.value.name,
    "BOOK_ARCHIVE_PAPER": Permission.RECORD_PAPER_ARCHIVED.value.name,
    "BOOK_START_SIGNING": Permission.START_SIGNING.value.name,
    "BOOK_SIGN": Permission.COMPLETE_SIGNATURES.value.name,
    "BOOK_SEAL": Permission.SEAL_BOOK.value.name,
    "BOOK_LOCK": Permission.LOCK_BOOK.value.name,
    "BOOK_ARCHIVE": Permission.ARCHIVE_BOOK.value.name,
    "BOOK_RETURN": Permission.RETURN_BOOK.value.name,
    "BOOK_REVOKE": Permission.REVOKE_BOOK.value.name,
    "BOOK_CORRECT": Permission.END_CORRECTED_BOOK.value.name,
    "BOOK_LOSE_SOURCE": Permission.END_TRANSCRIPT.value.name,
    "DOSSIER_SAVED": Permission.SAVE_DOSSIER.value.name,
    "DOSSIER_SUBMITTED": Permission.SUBMIT_DOSSIER.value.name,
    "DOSSIER_REVIEW_STARTED": Permission.START_DOSSIER_REVIEW.value.name,
    "DOSSIER_APPROVED": Permission.APPROVE_DOSSIER.value.name,
    "DOSSIER_REJECTED": Permission.REJECT_DOSSIER.value.name,
    "CONTROL_LOG_CHECKED": Permission.CHECK_CONTROL_LOG.value.name,
    "REFUSED": "Từ chối một yêu cầu",
}
"""Action code → title in the log; the name in the table of permissions where there is one."""


def title(action: str) -> str:
    """The title of an action; a code without one is its own title, so that nothing is left out."""
    return TITLES.get(action, action)
