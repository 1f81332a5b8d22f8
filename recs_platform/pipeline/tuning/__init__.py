"""Tuning of retrieval: validation sets from before every test, the search, and the tuned configs that are kept."""
