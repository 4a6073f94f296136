"""Schools, people, classes; who may act where; the year lock.

As in every department, each public function of a use case is one transaction.
"""
