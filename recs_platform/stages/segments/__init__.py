"""The segments stage: users clustered by what they do, with names, profiles and ids that last.

Segments by rule are SQL models. Reading the lake, writing it and sealing the segmenter belong to the assets.
"""

from recs_platform.stages.segments.clustering import Segmentation, segment_users
from recs_platform.stages.segments.config import SegmentConfig
from recs_platform.stages.segments.factors import Explanation, explain_targets
from recs_platform.stages.segments.membership import users_not_once
from recs_platform.stages.segments.page import SegmentsPage, write_page
from recs_platform.stages.segments.plots import draw_plots
from recs_platform.stages.segments.profiles import ABSENT, migrations
from recs_platform.stages.segments.scaling import Measure
from recs_platform.stages.segments.segmenter import (
    NO_SEGMENT,
    NO_SEGMENT_NAME,
    SEGMENTER,
    Segmenter,
    assign_users,
    filled_values,
    load_segmenter,
    save_segmenter,
)
from recs_platform.stages.segments.stability import Previous

__all__ = [
    "ABSENT",
    "NO_SEGMENT",
    "NO_SEGMENT_NAME",
    "SEGMENTER",
    "Explanation",
    "Measure",
    "Previous",
    "SegmentConfig",
    "Segmentation",
    "Segmenter",
    "SegmentsPage",
    "assign_users",
    "draw_plots",
    "explain_targets",
    "filled_values",
    "load_segmenter",
    "migrations",
    "save_segmenter",
    "segment_users",
    "users_not_once",
    "write_page",
]
