"""Tuning of retrieval: what may be searched, trials of one source on validation sets, and the search itself."""
