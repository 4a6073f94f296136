"""Marks, attendance, remarks, windows and their snapshots.

What is entered in a school year, how it is read and reviewed.
"""
