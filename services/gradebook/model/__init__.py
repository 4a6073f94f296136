"""Pure rules and shapes: nothing here reads or writes."""
