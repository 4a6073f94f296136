"""Freezing a book of any record type.

One file per type, and what they share in `common`.
"""
