"""Entering, reading and reviewing a year's data: marks, attendance, remarks, windows and their snapshots."""
