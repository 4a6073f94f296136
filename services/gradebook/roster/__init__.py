"""Schools, people, subjects, classes and assignments; who may act where; the lock of a school year."""
