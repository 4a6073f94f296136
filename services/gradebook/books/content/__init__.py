"""The canonical content of each record type, pure."""
