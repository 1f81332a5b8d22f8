"""The door of the platform: landing files, the SQL that reads them, and the batch that takes them in.

What becomes of accepted events afterwards belongs to the stages behind this one.
"""

from recs_platform.stages.events.ingestion import FileCounts, IngestReport, ingest
from recs_platform.stages.events.landing import LandReport, PendingFile, land, pending
from recs_platform.stages.events.sources import Source, load_sources

__all__ = [
    "FileCounts",
    "IngestReport",
    "LandReport",
    "PendingFile",
    "Source",
    "ingest",
    "land",
    "load_sources",
    "pending",
]
