"""The regions that users are in and what may not be offered there, as of a run.

What it means for candidates is in `stages.retrieval.regional_eligibility`, for lists in `stages.reranking`.
"""

from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.runner import ModelRun


@dataclass(frozen=True)
class GeoAvailability:
    """`user_regions`: user_id, availability_region. `exclusions`: availability_region, item_id not offered there."""

    user_regions: pl.DataFrame
    exclusions: pl.DataFrame

    def of(self, users: pl.DataFrame) -> "GeoAvailability":
        """Regions of the users of a frame alone, with the exclusions there."""
        regions = self.user_regions.join(users, on=c.USER_ID, how="semi", maintain_order="left")
        there = self.exclusions.join(regions, on=c.AVAILABILITY_REGION, how="semi", maintain_order="left")
        return GeoAvailability(regions, there)


def run_geo_availability(run: AsOfRun) -> GeoAvailability:
    """That of the run's as-of, read once."""

    def make() -> GeoAvailability:
        with run.models(scratch=True) as models:
            return read_geo_availability(models)

    return run.once("geo-availability", make)


def read_geo_availability(models: ModelRun) -> GeoAvailability:
    """Both frames, sorted by all columns; nothing is excluded where no item is restricted."""
    user_regions = models.frame(USER_REGIONS, [c.USER_ID, c.AVAILABILITY_REGION], ordered=True)
    return GeoAvailability(user_regions, models.frame(REGION_EXCLUSIONS, ordered=True))


def geo_model_hashes(platform: Platform) -> list[str]:
    """Hashes of the models: part of the key of whatever is made with regions in mind."""
    return [platform.models.get(name).hash for name in (USER_REGIONS, REGION_EXCLUSIONS)]
