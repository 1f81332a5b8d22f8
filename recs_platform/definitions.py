"""What Dagster loads: `workspace.yaml` and `dg dev` find `defs` here, which `recs_platform.defs` builds."""

from recs_platform.defs.assembly import build_definitions
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.pipeline.retrieval.inputs import check_retrieval_settings
from recs_platform.settings import read_settings


def _read() -> Platform:
    platform = Platform(read_settings(), sql_folder())
    check_retrieval_settings(platform)
    return platform


defs = build_definitions(_read(), read=_read)
