"""`python -m recs_platform.defs.tell_in_force`: reports the release in force to the UI, in a process of its own.

A rollback has to be over at once, and importing Dagster takes longer than all of it. What is reported is in `in_force`.
"""

import dagster as dg

from recs_platform.defs.in_force import report_in_force
from recs_platform.defs.instance import open_instance
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.settings import read_settings


def tell(platform: Platform) -> None:
    """Report what is in force by now."""
    instance: dg.DagsterInstance
    with open_instance(platform.home) as instance:
        report_in_force(platform, instance)


if __name__ == "__main__":
    tell(Platform(read_settings(), sql_folder()))
