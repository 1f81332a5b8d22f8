"""Stages composed as of an instant: what a run reads once, plans, build records, releases. Dagster is in `defs`."""
