"""Signing: puts the signatures of the required persons, then the school's seal, on what print made,
in order.

Owns: signatories, their keys (named by PKCS#11 URI), certificates, signing intents, the signing
journal, and the signed revisions until the archive has them. Never sees a mark, never stores a PIN,
never signs a digest that it did not compute itself from the document it stored.
"""
