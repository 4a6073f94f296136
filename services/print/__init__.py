"""Print: frozen book content in, PDF out: the unsigned print copy, and the signing copy with its
signature fields.

Owns renditions. Reads content from gradebook by name and digest only, and must never read another
service's database, decide a rule of assessment, or write a fact on a page that does not stand in
the frozen content.
"""
