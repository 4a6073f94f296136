"""What JSON Schema cannot say about frozen content: a module for each record type, `common` for what they share.

Each runs on data that already has its schema's shape and yields violations with the path of the faulty value. The rules
are numbered in ``docs/formats/<format>.md``.
"""
