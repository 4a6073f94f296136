"""Corrections of data that a closing has fixed: asked for, certified, decided; and the books that they end."""
