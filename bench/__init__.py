"""`make bench`: what each busy part reaches against its bare part, measured in one run on one
machine.

Absolute figures speak of a machine; a ratio between a part and the bare thing it cannot do without
(a COPY, a compiler, a publisher, a token) speaks of our code. docs/bench.md says what is measured
and how to read it.
"""
