"""Class lists, movements, transfers, and the data that move along."""
