"""Permission to keep the gradebook: vendors, dossiers, school years, the Department's rulings.

Also the control log of what a school did.
"""
