"""Corrections of data whose window is closed: requesting, deciding, ending books (ADR-0040)."""
