"""gradebook: owns schools, people, classes, marks with their whole history, entry windows and the
life of every book.

It never renders, signs or stores files; print, signing and archive learn by its events what to do,
and tell it by theirs what is done. Averages and results are computed from marks by `rules` whenever
they are read; only a frozen book and a snapshot hold them.
"""
