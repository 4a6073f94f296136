"""The SQL of entry."""
