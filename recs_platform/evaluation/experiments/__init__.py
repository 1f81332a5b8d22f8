"""Experiments as pure numbers: who is in which variant, and what may be concluded. Tables and pages are elsewhere."""
