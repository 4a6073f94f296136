"""Evaluating one case by the rules for `hoso rules evaluate`: read, assess, and name the articles applied."""
