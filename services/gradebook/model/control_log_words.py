"""Titles of the rows of the e-gradebook's control log (sổ theo dõi; HCMC 3260/GDĐT-GDTrH mục 3).

The log is not a second record: it is the school's audit chain without the ordinary entries,
together with the refused requests.
"""

TITLES = {
    "SCHOOL_PUT": "Ghi thông tin trường",
    "SCHOOL_YEAR_PUT": "Mở hoặc sửa thiết lập năm học",
    "PEOPLE_PUT": "Cập nhật người và vai trò",
    "SUBJECTS_PUT": "Cập nhật môn học của khối",
    "CLASSES_PUT": "Cập nhật lớp và giáo viên chủ nhiệm",
    "STUDENTS_PUT": "Cập nhật danh sách học sinh",
    "ASSIGNMENTS_PUT": "Cập nhật phân công giảng dạy",
    "WINDOW_PLANNED": "Lập hoặc sửa đợt nhập điểm",
    "WINDOW_CLOSED": "Đóng đợt nhập điểm, chụp dữ liệu các lớp",
    "MARKS_SETTLED": "Cho điểm 0 hoặc CĐ thay điểm còn thiếu",
    "CORRECTION_REQUESTED": "Đề nghị sửa dữ liệu sau thời hạn nhập",
    "CORRECTION_CONFIRMED": "Xác nhận việc sửa dữ liệu",
    "CORRECTION_APPROVED": "Duyệt sửa dữ liệu",
    "CORRECTION_REJECTED": "Không duyệt sửa dữ liệu",
    "CORRECTION_WITHDRAWN": "Rút đề nghị sửa dữ liệu",
    "STUDENTS_REGISTERED": "Ghi sổ đăng bộ",
    "STUDENT_MOVED": "Ghi biến động học sinh",
    "PRACTICAL_EXEMPTION_RECORDED": "Ghi quyết định miễn học phần thực hành",
    "PRACTICAL_EXEMPTION_WITHDRAWN": "Bỏ quyết định miễn học phần thực hành",
    "PRINCIPAL_REMARK_RECORDED": "Hiệu trưởng ghi nhận xét tháng",
    "BOOK_FROZEN": "Chốt dữ liệu sổ",
    "BOOK_ASSIGN_PRINT": "Phân công in và đối chiếu",
    "BOOK_PRINT": "In bản chưa có chữ ký số",
    "BOOK_PROBLEM": "Vướng mắc khi in, ký hoặc lưu trữ sổ",
    "BOOK_START_RECONCILIATION": "Bắt đầu rà soát, đối chiếu",
    "BOOK_CONFIRM": "Xác nhận bản in khớp dữ liệu",
    "BOOK_REPORT_MISMATCH": "Báo bản in không khớp, hủy bản",
    "BOOK_HAND_SIGN": "Ký tay trên bản giấy",
    "BOOK_STAMP": "Đóng dấu bản giấy",
    "BOOK_ARCHIVE_PAPER": "Lưu trữ bản giấy",
    "BOOK_START_SIGNING": "Bắt đầu ký số",
    "BOOK_SIGN": "Đủ chữ ký số cá nhân",
    "BOOK_SEAL": "Đóng dấu số",
    "BOOK_LOCK": "Khóa sổ",
    "BOOK_ARCHIVE": "Lưu trữ hồ sơ điện tử",
    "BOOK_RETURN": "Trả hồ sơ",
    "BOOK_REVOKE": "Thu hồi sổ",
    "BOOK_CORRECT": "Hủy bản sổ vì sửa điểm",
    "BOOK_LOSE_SOURCE": "Hủy bản học bạ vì sổ nguồn bị thu hồi",
    "DOSSIER_SAVED": "Lưu hồ sơ đăng kí sổ điện tử",
    "DOSSIER_SUBMITTED": "Nộp hồ sơ đăng kí sổ điện tử",
    "DOSSIER_REVIEW_STARTED": "Sở tiếp nhận xét duyệt hồ sơ",
    "DOSSIER_APPROVED": "Sở duyệt hồ sơ, cho phép dùng sổ điện tử",
    "DOSSIER_REJECTED": "Sở không duyệt hồ sơ",
    "CONTROL_LOG_CHECKED": "Lãnh đạo kiểm tra sổ theo dõi",
    "REFUSED": "Từ chối một yêu cầu",
}
"""Action code → title in the log."""


def title(action: str) -> str:
    """The title of an action; a code without one is its own title, so that nothing is left out."""
    return TITLES.get(action, action)
