"""The command `hoso demo`, which pyproject.toml adds to the command line."""

from typing import Annotated

import typer

from demo.school import CODE


def demo(
    classes: Annotated[int, typer.Option(min=1, max=20, help="How many classes.")] = 20,
    students: Annotated[int, typer.Option(min=5, max=50, help="Students in each class.")] = 42,
    paper: Annotated[bool, typer.Option(help="Go through the paper track too.")] = True,
    story: Annotated[bool, typer.Option(help="With all that can happen in a year; else class books only.")] = True,
    code: Annotated[str, typer.Option("--school", help="School code, eight digits; each makes another school.")] = CODE,
) -> None:
    """Take a school through two semesters and a summer, then verify what the archive holds."""
    from demo.run import run  # noqa: PLC0415 - what only the demo needs is loaded only for it

    raise typer.Exit(run(classes=classes, students=students, paper=paper, story=story, code=code))
