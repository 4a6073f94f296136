"""What JSON Schema cannot say about frozen content: one module per format, `common` for shared
rules.

The functions take data that already fits its schema and yield violations with the path of the
faulty value. The rules are numbered in ``docs/formats/<format>.md``.
"""
