"""Where users are and what may not be offered there, as of a run. What that means for lists is the stages' work."""

from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.places import BARRED_ITEMS, USER_PLACES
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.runner import ModelRun


@dataclass(frozen=True)
class Places:
    """`users`: user_id, place. `barred`: place, item_id of what may not be offered there."""

    users: pl.DataFrame
    barred: pl.DataFrame

    def of(self, users: pl.DataFrame) -> "Places":
        """Those of the users of a frame alone."""
        there = self.users.join(users, on=c.USER_ID, how="semi", maintain_order="left")
        return Places(there, self.barred.join(there, on=c.PLACE, how="semi", maintain_order="left"))


def run_places(run: AsOfRun) -> Places:
    """Those of the run's as-of, read once."""

    def make() -> Places:
        with run.models(scratch=True) as models:
            return read_places(models)

    return run.once("places", make)


def read_places(models: ModelRun) -> Places:
    """Both, sorted by all columns; nothing is barred where no item is restricted."""
    users = models.frame(USER_PLACES, [c.USER_ID, c.PLACE], ordered=True)
    return Places(users, models.frame(BARRED_ITEMS, ordered=True))


def place_hashes(platform: Platform) -> list[str]:
    """Hashes of the models: part of the key of whatever is made with places in mind."""
    return [platform.models.get(name).hash for name in (USER_PLACES, BARRED_ITEMS)]
