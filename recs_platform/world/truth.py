"""What is true of a world and what no tracker could log. For tests and benchmarks; it is never written to landing."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from recs_platform.world.bots import Bots
from recs_platform.world.catalogue import Catalogue, item_ids
from recs_platform.world.config import WorldConfig
from recs_platform.world.draws import Codes, Flags, Floats
from recs_platform.world.feedback import Actions, Appeal, examination_by_position
from recs_platform.world.policy import Impressions, LoggingPolicy
from recs_platform.world.population import Population, user_ids
from recs_platform.world.sessions import Visits
from recs_platform.world.tracker import DAMAGE, Delivery


@dataclass(frozen=True)
class Truth:
    """Latent tastes and vectors, the chance of every click in parts, and what was broken on purpose.

    Rows of `catalogue`, `population` and `visits` are codes; `item_ids` and `user_ids` are the public ids in that
    order. `appeal` has a row an impression of `shown`. `visits` holds some that were cut off and never took place.
    """

    config: WorldConfig
    catalogue: Catalogue
    population: Population
    visits: Visits
    policy: LoggingPolicy
    shown: Impressions
    appeal: Appeal
    actions: Actions
    bots: Bots
    delivery: Delivery

    @cached_property
    def item_ids(self) -> pl.Series:
        """String (items,)."""
        return item_ids(self.config, self.catalogue)

    @cached_property
    def user_ids(self) -> pl.Series:
        """String (users,)."""
        return user_ids(self.config)

    @cached_property
    def group(self) -> Codes:
        """Group of each user, index of GROUP_NAMES; int32 (users,). Without separation it says nothing."""
        return self.population.group

    @cached_property
    def examination(self) -> Floats:
        """Position bias: probability that a position is looked at; float64, from position 1."""
        return examination_by_position(self.config)

    @cached_property
    def brand_new_users(self) -> frozenset[str]:
        """Ids of users who signed up in the last day and did nothing yet."""
        return frozenset(self.user_ids.filter(pl.Series(self.population.is_brand_new)))

    @cached_property
    def bot_users(self) -> frozenset[str]:
        """Ids of the accounts that a script uses for some days."""
        return frozenset(self.user_ids.gather(self.bots.users))

    @cached_property
    def bot_rows(self) -> Flags:
        """Whether a row of events was made by a script; bool, a row a delivery."""
        return self.delivery.source >= len(self.shown.item) + len(self.actions.action)

    @cached_property
    def broken_rows(self) -> dict[str, int]:
        """Rows of events by kind of damage."""
        return {kind: int((self.delivery.damage == code).sum()) for code, kind in enumerate(DAMAGE)}

    @cached_property
    def duplicate_rows(self) -> int:
        """Second deliveries of sound rows."""
        return len(self.delivery.number) - len(np.unique(self.delivery.number))
