"""The one door for Dagster: `workspace.yaml` and `dg dev` load `defs` from here. What it holds is built in `defs`."""

from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.platform import Platform, sql_folder
from recs_platform.settings import read_settings

defs = build_definitions(Platform(read_settings(), sql_folder()))
