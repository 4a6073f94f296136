"""Opening a workbook from an untrusted source: .xlsx only, its size and its weight limited before
openpyxl builds anything of it (`weight`).

Parts with a document type, and so with entities, are refused there: openpyxl parses most parts
through defusedxml, but some through lxml where that is installed.
"""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import openpyxl
from openpyxl.workbook import Workbook

from cli.sheets import weight

MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
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
            _check_sizes(archive.infolist())
            weight.check(archive)
    except weight.TooHeavy as e:
        raise BadFile(str(e)) from e
    except weight.Unreadable as e:
        raise BadFile(f"Tệp Excel hỏng hoặc không đúng định dạng .xlsx ({e}).") from e
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, zlib.error, EOFError) as e:
        raise BadFile("Không phải tệp Excel .xlsx.") from e


def _check_sizes(parts: Sequence[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    swollen = any(
        part.file_size >= _LARGE_BYTES and part.file_size > MAX_RATIO * max(part.compress_size, 1) for part in parts
    )
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED_BYTES or swollen:
        raise BadFile("Nội dung nén trong tệp lớn bất thường; tệp bị từ chối.")
