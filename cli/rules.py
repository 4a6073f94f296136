"""`hoso rules`: the assessment rules alone, for a school with a disputed case or an inspector.

The rules are pure functions, so this command runs them itself instead of asking the gradebook.
"""

import json
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from services.common.errors import Invalid, Violation
from services.gradebook.rules.evaluation.evaluate import evaluate_case

app = typer.Typer(no_args_is_help=True)

_EXIT_BAD_LINE = 1
_EXIT_UNUSABLE = 2


@app.callback()
def rules() -> None:
    """The assessment rules alone."""


@app.command()
def evaluate(
    source: Annotated[
        Path, typer.Argument(help="File of JSON lines, one student and year per line; - is stdin.")
    ] = Path("-"),
) -> None:
    """Compute averages, levels, promotion and awards: JSON lines in, JSON lines out, in the same
    order.

    A bad line is answered by {"error": ...} in its place. Exit codes: 0 every line good, 1 some
    bad, 2 unusable input.
    """
    # A lone surrogate in a name is written as its JSON escape instead of ending the run.
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        lines = sys.stdin.buffer if str(source) == "-" else source.open("rb")
    except OSError as error:
        print(f"Không đọc được {source}: {error.strerror}.", file=sys.stderr)
        raise typer.Exit(_EXIT_UNUSABLE) from error
    with lines:
        bad = _evaluate_lines(lines, sys.stdout)
    if bad:
        raise typer.Exit(_EXIT_BAD_LINE)


def _evaluate_lines(lines: Iterable[bytes], out: TextIO) -> int:
    """Answer each line that is not blank; return how many were bad."""
    bad = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        case: Any = None
        try:
            case = _parse(text)
            answer = evaluate_case(case)
        except Invalid as error:
            bad += 1
            answer = _refusal(number, case, error)
        out.write(json.dumps(answer, ensure_ascii=False, default=float) + "\n")
    return bad


def _parse(text: bytes) -> Any:
    """Read one line of JSON; numbers keep their digits, so that 8.25 is refused and not rounded."""
    try:
        return json.loads(text.decode("utf-8-sig"), parse_float=Decimal, parse_constant=str)
    except UnicodeDecodeError as error:
        raise Invalid([Violation("", "ENCODING", "Dòng không phải UTF-8.")]) from error
    except (ValueError, RecursionError) as error:
        where = f" ở kí tự {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        raise Invalid([Violation("", "JSON", f"Dòng không phải JSON hợp lệ{where}.")]) from error


def _refusal(number: int, case: object, error: Invalid) -> dict[str, Any]:
    """The answer to a bad line: the first violation, then the others, and the case's id if it has
    one.
    """
    first, *others = ({"field": v.field, "rule": v.rule, "message": v.message} for v in error.violations)
    refusal: dict[str, Any] = {"error": {"line": number, **first}}
    if others:
        refusal["error"]["others"] = others
    if isinstance(case, dict) and "id" in case:
        refusal["id"] = case["id"]
    return refusal
