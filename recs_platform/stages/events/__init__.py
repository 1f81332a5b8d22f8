"""The door of the platform: landing files, the SQL that reads them, and the batch that takes them in.

What becomes of accepted events afterwards belongs to the stages behind this one.
"""

from recs_platform.stages.events.ingestion import ingest, rehearse
from recs_platform.stages.events.landing import LandReport, PendingFile, land, look_into_landing, pending
from recs_platform.stages.events.ledger import FileCounts, IngestReport
from recs_platform.stages.events.minimization import Privacy
from recs_platform.stages.events.replaying import ReplayReport, replay
from recs_platform.stages.events.sources import Source, load_sources

__all__ = [
    "FileCounts",
    "IngestReport",
    "LandReport",
    "PendingFile",
    "Privacy",
    "ReplayReport",
    "Source",
    "ingest",
    "land",
    "load_sources",
    "look_into_landing",
    "pending",
    "rehearse",
    "replay",
]
