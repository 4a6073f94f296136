"""All SQL of gradebook. Functions take the open transaction, decide nothing, and speak in rows and domain values."""
