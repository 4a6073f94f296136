"""The rules and shapes of gradebook, pure: no module here reads or writes anything."""
