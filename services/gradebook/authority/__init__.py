"""Leave to keep the gradebook: dossiers, vendors, rulings, years.

And the control log of what was done under it.
"""
