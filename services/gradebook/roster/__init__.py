"""Schools, people, classes; who may act where; the year lock.

One function is one use case is one transaction, as in every department.
"""
