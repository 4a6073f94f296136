"""Entry point of `hoso`: the commands by subject, global options, errors into exit codes."""

import os
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from cli import (
    archive,
    audit,
    books,
    corrections,
    dossiers,
    operations,
    permissions,
    policy,
    register,
    review,
    rules,
    sheet_commands,
    signing,
    windows,
)
from cli.output import Output, explain
from services.common.config import ConfigError
from services.common.errors import HosoError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Hồ Sơ: from a keyed mark to a sealed, locked, archived and verified record.",
    epilog="Exit codes: 0 done; 1 the answer is no; 2 wrong usage; 3 refused; 4 not allowed; 5 try again later.",
)
app.add_typer(books.app, name="books", help="Books and their life cycle.")
app.add_typer(dossiers.dossiers, name="dossiers", help="Dossiers of schools: list, show, missing, review, decide.")
app.add_typer(dossiers.vendors, name="vendors", help="Vendors' software and its appraisal.")
app.add_typer(register.app, name="register", help="The student register and movements of students.")
app.add_typer(windows.app, name="windows", help="Entry windows: list, show with their snapshots.")
app.add_typer(corrections.app, name="corrections", help="Corrections after closing: list, show.")
app.add_typer(review.app, name="review", help="Before a window closes: what is missing, what looks wrong.")
app.add_typer(signing.app, name="keys", help="Signatories, keys and documents under signature.")
app.add_typer(archive.app, name="archive", help="Records under object lock: list, verify, fetch.")
app.add_typer(audit.app, name="audit", help="The audit chains: recompute, compare with their anchors; anchor now.")
app.add_typer(operations.jobs, name="jobs", help="Jobs that gave up: list and replay.")
app.add_typer(operations.queues, name="queues", help="Dead letters of the broker: list, show, replay, discard.")
app.add_typer(policy.app, name="policy", help="The Department's rulings on open points of the assessment rules.")
app.add_typer(rules.app, name="rules", help="The assessment rules alone.")
app.command("import")(sheet_commands.import_sheets)
app.command("export")(sheet_commands.export_sheets)
app.command("status")(operations.status)
app.command("control-log")(dossiers.control_log)
app.command("permissions")(permissions.print_permissions)
for addition in entry_points(group="hoso.commands"):  # such as the demo, which is built on this package
    app.command(addition.name)(addition.load())


@app.callback()
def options(json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False) -> None:
    """Global options."""
    Output.as_json = json


def main() -> None:
    """Run the command line; expected errors become a message and an exit code.

    Files that it writes hold pupils' data and can be read by nobody else.
    """
    os.umask(0o077)
    try:
        app()
    except (HosoError, ConfigError) as e:
        sys.exit(explain(e))
