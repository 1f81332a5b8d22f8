"""Retrieval as of an instant: its inputs, sealed embeddings and indexes, and the facts that reports and the UI show."""
