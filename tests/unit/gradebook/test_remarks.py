"""Valid remarks: all kinds of prose pass; Vietnamese in an old font's encoding does not."""

import pytest

from services.gradebook.model import names
from services.gradebook.model.remark_rules import MAX_REMARK, check_remark

PASS = [
    "",
    "Có tiến bộ, cần luyện tập thêm.",
    "- Chăm học. - Ngoan; hòa đồng với bạn bè!",
    "Sao em hay đi trễ?",
    "Còn nhầm m² với m³, ½ với 0,5; góc 30° và phép × với ÷.",
    "Kĩ năng nói tiếng Anh tốt (IELTS 5.5), dùng được GeoGebra và Python.",
    "Em H'Nhiêm Êban hát hay, chơi đàn t'rưng và piano tốt.",
    "Em François đã tiến bộ nhiều so với học kì I.",
    "Bé rất ngoan, chú ý nghe giảng, còn e dè.",
    "x" * MAX_REMARK,
]


@pytest.mark.parametrize("text", PASS)
def test_prose_passes(text: str) -> None:
    assert check_remark("text", text) == []


@pytest.mark.parametrize("text", ["Có tiến bộ, cần luyện tập thêm.", "Em còn e dè: hãy mạnh dạn phát biểu!"])
def test_the_same_in_tcvn3_is_refused_with_what_it_says(text: str) -> None:
    back = {letter: code for code, letter in names._TCVN3.items()}
    (violation,) = check_remark("rows[0].text", "".join(back.get(c, c) for c in text))
    assert (violation.field, violation.rule) == ("rows[0].text", "LEGACY_ENCODING")
    assert violation.message.startswith("Câu chữ không phải chữ Việt Unicode")
    assert text.split()[1].title() in violation.message


def test_vni_and_what_no_text_may_hold_are_refused() -> None:
    assert [v.rule for v in check_remark("text", "Coù tieán boä, caàn coá gaéng.")] == ["LEGACY_ENCODING"]
    assert [v.rule for v in check_remark("text", "x" * (MAX_REMARK + 1))] == ["LENGTH"]
    assert [v.rule for v in check_remark("text", "Khá\n")] == ["CONTROL_CHARACTER"]
    assert [v.rule for v in check_remark("text", " Khá.")] == ["SPACES"]
