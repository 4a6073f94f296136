"""Score sheets in Excel workbooks, one worksheet per class, subject and semester.

The format is described in docs/formats/score-sheet.md. `files` opens a workbook safely, `read`
finds its sheets, `values` and `check` compare them with the gradebook's, `write` makes workbooks;
these make no calls. `importing` and `exporting` are the commands.
"""
