"""Freezing: complete data become one version of a book, with one digest."""
