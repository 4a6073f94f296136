"""Asking for corrections, deciding them, ending the books they change.

They concern data that a closing has fixed (ADR-0040).
"""
