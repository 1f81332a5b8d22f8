"""The door to searching item vectors. Nothing is computed here: see the modules of `search`."""

from recs_platform.stages.retrieval.search.audit import audit_failures, audit_recall, audited
from recs_platform.stages.retrieval.search.building import build_index, kind_for
from recs_platform.stages.retrieval.search.config import IndexConfig
from recs_platform.stages.retrieval.search.files import load_index, load_report, save_index
from recs_platform.stages.retrieval.search.item_index import ItemIndex
from recs_platform.stages.retrieval.search.refresh import refresh_index
from recs_platform.stages.retrieval.search.report import IndexReport, ShareRecall

__all__ = [
    "IndexConfig",
    "IndexReport",
    "ItemIndex",
    "ShareRecall",
    "audit_failures",
    "audit_recall",
    "audited",
    "build_index",
    "kind_for",
    "load_index",
    "load_report",
    "refresh_index",
    "save_index",
]
