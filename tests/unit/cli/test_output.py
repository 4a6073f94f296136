"""What schools and vendors wrote does nothing on an operator's screen."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import Output, console, errors, explain, show, show_json, styled
from services.common.errors import Invalid, NotFound, Violation

HOSTILE = (
    "[red]6A[/]",
    "[/]",
    "[link=file:///etc/passwd]6A[/link]",
    "[@click=app.bell]6A",
    "6A\x1b[2J",
    "6A\x1b]0;title\x07",
    "6A\x9b2J",
    "6A\u202egnp.exe",
    "6A\r7B",
    ":skull:",
)


def harmless(output: str) -> bool:
    return all(c == "\n" or unicodedata.category(c) not in ("Cc", "Cf") for c in output)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_shown_as_it_is_and_obeyed_by_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = "".join("�" if unicodedata.category(c) in ("Cc", "Cf") else c for c in text)
    show(f"Lớp {text}", ("id", text), [(text, text)], {})
    console.print(f"Lớp {text}")
    explain(NotFound("CLASS_UNKNOWN", f"Không có lớp {text}.", school_class=text))
    explain(Invalid([Violation(text, "ENUM", text)]))
    errors.print(styled((text, "red"), text))
    out, err = capsys.readouterr()
    assert harmless(out)
    assert harmless(err)
    assert out.replace("\n", "").count(shown[:10]) >= 3
    assert shown in err.replace("\n", "")


@given(text=st.text())
def test_json_is_whole_and_harmless(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("builtins.print", written.append)
        show_json({text: [text]})
    assert json.loads(written[0]) == {text: [text]}
    assert harmless(written[0])


def test_verdicts_keep_their_style() -> None:
    Output.as_json = False
    text = styled(("đạt", "green"), ": [red]6A[/]")
    assert text.plain == "đạt: [red]6A[/]"
    assert [str(span.style) for span in text.spans] == ["green"]
