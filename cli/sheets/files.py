"""Opening a workbook from an untrusted source: .xlsx only, with its size limited before unpacking.

openpyxl parses XML through defusedxml, which refuses entities; `load` requires it.
"""

import zipfile
from pathlib import Path

import openpyxl
from openpyxl.workbook import Workbook

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MAX_RATIO = 200
"""Largest compression ratio of a part of 1 MiB or more; typed text reaches ten to thirty."""
MAX_PARTS = 5000
_LARGE_BYTES = 1024 * 1024
_OLE = b"\xd0\xcf\x11\xe0"


class BadFile(Exception):
    """The file is not a readable workbook; `str()` is a Vietnamese sentence."""


def load(path: Path, *, values: bool = False) -> Workbook:
    """Open a workbook with its formulas, or with the values that Excel last computed for them.
    Raises BadFile.
    """
    _check(path)
    if not openpyxl.DEFUSEDXML:
        raise BadFile("Thiếu thư viện defusedxml nên không mở tệp Excel; hãy cài đặt lại.")
    try:
        return openpyxl.load_workbook(path, data_only=values, keep_links=False)
    except Exception as e:  # openpyxl lets any error of a malformed part through
        raise BadFile(f"Tệp Excel hỏng hoặc không đúng định dạng .xlsx ({type(e).__name__}).") from e


def _check(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as e:
        raise BadFile(f"Không đọc được tệp {path}: {e.strerror}.") from e
    if size > MAX_FILE_BYTES:
        raise BadFile(f"Tệp lớn hơn {MAX_FILE_BYTES // 2**20} MiB; hãy tách thành nhiều tệp.")
    if start == _OLE:
        raise BadFile("Tệp .xls kiểu cũ hoặc có mật khẩu; hãy lưu lại thành .xlsx không đặt mật khẩu.")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise BadFile("Không phải tệp Excel .xlsx.") from e
    unpacked = sum(part.file_size for part in parts)
    swollen = any(
        part.file_size >= _LARGE_BYTES and part.file_size > MAX_RATIO * max(part.compress_size, 1) for part in parts
    )
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED_BYTES or swollen:
        raise BadFile("Nội dung nén trong tệp lớn bất thường; tệp bị từ chối.")
