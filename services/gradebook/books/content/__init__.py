"""Frozen content, one module per record type.

Pure: the same facts give the same bytes (RFC 8785; docs/formats/).
"""
