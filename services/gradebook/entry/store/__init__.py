"""The SQL of entry.

Functions take the open transaction and decide nothing.
"""
