"""Retrieval on a split that a user brings: files read and checked, sources tuned, lists and metrics."""
