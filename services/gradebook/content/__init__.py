"""Frozen content, one file a record type: pure, the same facts give the same bytes (RFC 8785; docs/formats/)."""
