"""Ingestion of one home: what lies in landing, what is read of it, and what was quarantined."""
