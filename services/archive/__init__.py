"""archive: owns the locked objects, their register, retention, verification and the proof that the
store is WORM.

It never deletes, overwrites or shortens, and accepts no record before the store it is configured
for has passed the WORM probe (`probe.py`).
"""
