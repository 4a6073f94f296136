"""Score sheets in Excel workbooks, one worksheet a class, subject and semester (docs/formats/score-sheet.md).

`files` opens a workbook safely, `read` finds the sheets in it, `values` and `check` compare them with what the
gradebook holds, `write` makes workbooks; all of these do no call. `importing` and `exporting` are the commands.
"""
