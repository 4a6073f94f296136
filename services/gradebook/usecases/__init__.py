"""What gradebook does: one function is one use case is one transaction. Rules are elsewhere, and so is SQL."""
