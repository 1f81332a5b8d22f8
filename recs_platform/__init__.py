"""Recommendations MLOps on one machine: raw events to released recommendations, as Dagster assets."""

__version__ = "0.1.0"
