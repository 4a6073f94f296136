"""Vietnamese names, places and trades of the demo school's invented people."""

import random
import unicodedata

FAMILY = (
    "Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Trịnh Đoàn Mai Tô Lương Cao Tạ Hà"
).split()
MIDDLE = {
    "MALE": "Văn Đức Minh Quang Hữu Gia Quốc Anh Tuấn Thành Công Bảo Nhật Xuân Đình Mạnh".split(),
    "FEMALE": "Thị Ngọc Thu Phương Khánh Bảo Minh Thanh Kim Quỳnh Hồng Diệu Mai Tường Như Thùy".split(),
}
GIVEN = {
    "MALE": (
        "An Anh Bách Bình Cường Dũng Duy Đạt Đăng Hải Hiếu Hoàng Huy Hùng Khang Khánh Khoa Kiên Lâm Long Minh Nam "
        "Nghĩa Nguyên Nhân Phong Phúc Quân Quang Sơn Tài Thắng Thịnh Tiến Toàn Trí Trung Tuấn Tùng Việt Vinh"
    ).split(),
    "FEMALE": (
        "An Anh Ánh Châu Chi Diệp Dung Giang Hà Hạnh Hân Hiền Hoa Hương Huyền Lan Linh Loan Ly Mai My Nga Ngân Ngọc "
        "Nhi Nhung Oanh Phương Quyên Quỳnh Tâm Thảo Thu Thủy Trang Trâm Trinh Tú Uyên Vân Vy Yến"
    ).split(),
}
ETHNICITIES = ("Kinh",) * 46 + ("Tày", "Mường", "Hoa", "Nùng")
JOBS = (
    "Công nhân", "Giáo viên", "Kĩ sư", "Kinh doanh", "Nông dân", "Bác sĩ", "Điều dưỡng", "Lái xe", "Bộ đội", "Công an",
    "Kế toán", "Thợ may", "Viên chức", "Nội trợ", "Lao động tự do", "Thủy thủ",
)  # fmt: skip
STREETS = (
    "Lạch Tray", "Tô Hiệu", "Trần Nguyên Hãn", "Nguyễn Đức Cảnh", "Cát Cụt", "Hai Bà Trưng", "Đình Đông", "Miếu Hai Xã",
    "Chợ Hàng", "Thiên Lôi", "Dư Hàng", "Nguyễn Văn Linh",
)  # fmt: skip
COMMUNES = ("phường Lê Chân", "phường An Biên", "phường Ngô Quyền", "phường Gia Viên", "phường Kiến An")
PRIORITIES = ("",) * 37 + ("Hộ nghèo", "Con thương binh", "Hộ cận nghèo")


_ALPHABET = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng, in the order of the dictionary


def alphabetical(name: str) -> list[tuple[list[int], list[int]]]:
    """Sort key of the class list: given name, then the rest, by the Vietnamese alphabet and its
    tones.
    """
    *rest, given = name.lower().split()
    return [_word(word) for word in (given, *rest)]


def _word(word: str) -> tuple[list[int], list[int]]:
    toneless = "".join(c for c in unicodedata.normalize("NFD", word) if c not in _TONES)
    letters = [_ALPHABET.index(c) for c in unicodedata.normalize("NFC", toneless)]
    return letters, [_TONES.index(c) for c in unicodedata.normalize("NFD", word) if c in _TONES]


def person_name(rng: random.Random, sex: str) -> str:
    """A full name: family, one middle name and given name; MALE or FEMALE."""
    return f"{rng.choice(FAMILY)} {rng.choice(MIDDLE[sex])} {rng.choice(GIVEN[sex])}"


def address(rng: random.Random) -> str:
    """A street address in the demo school's surroundings."""
    return f"Số {rng.randint(1, 320)} {rng.choice(STREETS)}, {rng.choice(COMMUNES)}, TP Hải Phòng"


def phone(rng: random.Random) -> str:
    """A telephone number of the range that is never given out for real use here (0900 000 xxx)."""
    return f"0900 000 {rng.randint(0, 999):03d}"
