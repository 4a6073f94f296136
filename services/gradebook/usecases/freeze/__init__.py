"""Freezing a book of any record type: one file a type, and what they share in `common`."""
