"""Leave to keep the gradebook: dossiers, vendors, rulings, school years, the control log."""
