"""What the stage uses of `ann`: indexes over item vectors, their configs, files and audits."""

from recs_platform.stages.retrieval.ann.audit import audit_failures, audit_recall, audited
from recs_platform.stages.retrieval.ann.building import build_index, kind_for
from recs_platform.stages.retrieval.ann.config import IndexConfig
from recs_platform.stages.retrieval.ann.files import load_index, load_report, save_index
from recs_platform.stages.retrieval.ann.item_index import ItemIndex
from recs_platform.stages.retrieval.ann.refresh import refresh_index
from recs_platform.stages.retrieval.ann.report import IndexReport, ShareRecall

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
