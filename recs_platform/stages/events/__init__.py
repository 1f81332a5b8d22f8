"""Ingestion: landing files, the SQL that reads them, and the batch that ingests them.

What becomes of accepted events afterwards belongs to the stages behind this one.
"""

from recs_platform.stages.events.arrivals import LandReport, land
from recs_platform.stages.events.ingestion import ingest, ingest_dry_run
from recs_platform.stages.events.landing import PendingFile, look_into_landing, pending
from recs_platform.stages.events.ledger import FileCounts, IngestReport
from recs_platform.stages.events.privacy import Privacy
from recs_platform.stages.events.replay import ReplayReport, replay
from recs_platform.stages.events.source_sql import source_fault
from recs_platform.stages.events.sources import DataSource, Sources, load_sources

__all__ = [
    "DataSource",
    "FileCounts",
    "IngestReport",
    "LandReport",
    "PendingFile",
    "Privacy",
    "ReplayReport",
    "Sources",
    "ingest",
    "ingest_dry_run",
    "land",
    "load_sources",
    "look_into_landing",
    "pending",
    "replay",
    "source_fault",
]
