"""Parameters of the clustering, with their ranges and reasons. Operator choices are in `settings`."""

from typing import Annotated

from pydantic import Field

from recs_platform.contracts.shared_settings import SegmentSettings

_Share = Annotated[float, Field(gt=0, lt=1)]


class SegmentConfig(SegmentSettings):
    """How users are clustered: the settings of the home, and what is fixed by what was measured."""

    users_min: Annotated[int, Field(ge=2, description="fewer users with events are one cluster")] = 20
    fit_users: Annotated[int, Field(ge=2, description="users that statistics and centres are fitted on")] = 20_000
    scored_users: Annotated[int, Field(ge=2, description="users trials are scored on: distances of all pairs")] = 4_000
    variance_kept: Annotated[_Share, Field(description="of the scaled features, by the principal components")] = 0.9
    noise_max: Annotated[_Share, Field(description="a trial with more noise does not describe the users")] = 0.3
    stability_min: Annotated[
        float, Field(ge=-1, le=1, description="adjusted Rand below which a cut through one cloud is no finding")
    ] = 0.75
    resamples: Annotated[int, Field(ge=1, description="bootstrap refits behind a trial's stability")] = 5
    stability_trials: Annotated[int, Field(ge=1, description="best trials whose stability is measured")] = 5
