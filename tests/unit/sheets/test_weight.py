"""Small workbooks that ask for much are refused before openpyxl opens them; the largest that is
allowed stays under 500 MB.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cli.sheets import files, weight
from cli.sheets.files import BadFile

_PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006/'
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FRAME = {
    "[Content_Types].xml": f'<Types {_PACKAGE}content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/sheet1.png" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships {_PACKAGE}relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships {_PACKAGE}relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/worksheet" Target="sheet1.png"/></Relationships>',
    "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="6A1" sheetId="1" r:id="rId1"/></sheets></workbook>',
}


def workbook(path: Path, content: str, *, encoding: str = "utf-8") -> Path:
    """A workbook whose only worksheet has the content. The sheet calls itself a picture."""
    sheet = f'<?xml version="1.0" encoding="{encoding}"?><worksheet {_MAIN}>{content}</worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _FRAME.items():
            archive.writestr(name, text)
        archive.writestr("xl/sheet1.png", sheet.encode(encoding))
    return path


def cells(rows: int, columns: str = "ABCDEFGHIJKLMNOPQRST", inner: str = "<v>7.5</v>") -> str:
    return "".join(
        f'<row r="{row}">' + "".join(f'<c r="{column}{row}">{inner}</c>' for column in columns) + "</row>"
        for row in range(1, rows + 1)
    )


def shared(length: int) -> str:
    formula = "+".join(["A1"] * (length // 3))
    first = f'<row r="1"><c r="A1"><f t="shared" si="0" ref="A1:T2000">{formula}</f></c></row>'
    others = cells(500, inner='<f t="shared" si="0"/>')
    return f"<sheetData>{first}{others}</sheetData>"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('<sheetData/><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>', "300000 ô"),
        ('<sheetData/><mergeCells><mergeCell ref="XFD1048576:A1"/></mergeCells>', "300000 ô"),
        ('<sheetData/><mergeCells><mergeCell ref="$A$1:$T$20000"/></mergeCells>', "300000 ô"),
        ('<sheetData/><mergeCells><mergeCell ref="A:XFD"/></mergeCells>', "300000 ô"),
        ('<sheetData/><hyperlinks><hyperlink ref="A1:XFD1048576"/></hyperlinks>', "300000 ô"),
        ('<sheetData/><unheardOf ref="A1:XFD1048576"/>', "300000 ô"),
        ("<sheetData/>" + '<mergeCell ref="A1:T1000"/>' * 16, "300000 ô"),
        (f"<sheetData>{cells(16_000)}</sheetData>", "300000 ô"),
        ("<sheetData>" + "".join(f'<row r="{row}" ht="9"/>' for row in range(50_000)) + "</sheetData>", "40000 dòng"),
        ("<sheetData/>" + "".join(f'<brk id="{row}"/>' for row in range(50_000)), "40000 dòng"),
        (shared(6_000), "công thức quá dài"),
        ("<sheetData><row>", "hỏng"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_small_file_that_asks_for_much_is_refused(tmp_path: Path, content: str, words: str, encoding: str) -> None:
    path = workbook(tmp_path / "x.xlsx", content, encoding=encoding)
    with pytest.raises(BadFile, match=words):
        files.load(path)


def test_an_encoding_that_only_openpyxl_reads_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", "<sheetData/>", encoding="cp037")
    with pytest.raises(BadFile, match="hỏng"):
        files.load(path)


def test_the_weights_of_all_parts_are_added(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", f"<sheetData>{cells(10_000)}</sheetData>")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/other", f"<worksheet><sheetData>{cells(6_000)}</sheetData></worksheet>")
    with pytest.raises(BadFile, match="300000 ô"):
        files.load(path)


_LOAD_TWICE = """
import re, sys
from pathlib import Path
from cli.sheets import files
books = [files.load(Path(sys.argv[1]), values=values) for values in (False, True)]
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_the_heaviest_file_that_is_allowed_stays_under_500_mb(tmp_path: Path) -> None:
    rows = weight.MAX_CELLS // 20 - 1500
    lines = f"<sheetData>{cells(rows)}</sheetData>"
    merged = "".join(f'<mergeCell ref="AA{2 * row + 1}"/>' for row in range(weight.MAX_OTHER_ELEMENTS - rows - 60))
    path = workbook(tmp_path / "x.xlsx", f"{lines}<mergeCells>{merged}</mergeCells>")
    done = subprocess.run(
        [sys.executable, "-c", _LOAD_TWICE, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) * 1024 < 500_000_000
