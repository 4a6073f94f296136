"""`hoso import` and `hoso export`: Excel score sheets in and out. The workbook library is loaded
only when they run.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Output

_Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def import_sheets(
    file: Annotated[Path, typer.Argument(help="Workbook (.xlsx) with one score sheet per worksheet.")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong and what would change.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Send the good sheets even when others are bad.")] = False,
    school: Annotated[str, typer.Option(help="School code, for sheets that do not say it.")] = "",
    year: Annotated[str, typer.Option(help="School year, for sheets that do not say it.")] = "",
    semester: Annotated[int, typer.Option(min=0, max=2, help="Semester, for sheets that do not say it.")] = 0,
    token_file: Annotated[
        Path | None, typer.Option(help="Tokens of the teachers who enter the sheets, one per line.")
    ] = None,
    json: _Json = False,
) -> None:
    """Enter the marks and remarks of an Excel workbook; every bad cell is named by its address.

    Nothing is sent while any sheet has an error, unless --partial. Only cells that differ from the
    gradebook are sent. Exit codes: 0 done; 1 errors or refusals; 2 the file cannot be read; 3-5 as
    for every command.
    """
    from cli.sheets.head import Head  # noqa: PLC0415 - see above
    from cli.sheets.importing import run  # noqa: PLC0415

    Output.as_json = Output.as_json or json
    defaults = Head(school=school, school_year=year, semester=semester)
    raise typer.Exit(run(file, defaults, token_file, only_check=check, partial=partial))


def export_sheets(
    *,
    school: Annotated[str, typer.Option(help="School code.")],
    year: Annotated[str, typer.Option(help="School year, such as 2025-2026.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Workbook to write.")],
    school_class: Annotated[list[str] | None, typer.Option("--class", help="Only this class; may repeat.")] = None,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Only this subject code; may repeat.")] = None,
    semester: Annotated[int, typer.Option(min=0, max=2, help="Only this semester.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    json: _Json = False,
) -> None:
    """Write score sheets as an Excel workbook for typing; `hoso import` reads it back.

    Exit codes: 0 done; 1 nothing to write, or the file exists; 3-5 as for every command.
    """
    from cli.sheets.exporting import run  # noqa: PLC0415 - see above

    Output.as_json = Output.as_json or json
    raise typer.Exit(
        run(out, school, year, classes=school_class or [], subjects=subject or [], semester=semester, force=force)
    )
