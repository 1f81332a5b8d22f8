"""The one door for Dagster: `workspace.yaml` and `dg dev` load `defs` from here. What it holds is built in `defs`."""

from recs_platform.defs.assembly import build_definitions
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.pipeline.retrieval.inputs import check_retrieval_settings
from recs_platform.settings import read_settings

_platform = Platform(read_settings(), sql_folder())
check_retrieval_settings(_platform)
defs = build_definitions(_platform)
