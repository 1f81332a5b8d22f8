"""Tuning of retrieval: the search space, trials of one source on validation sets, and the search within a budget."""
