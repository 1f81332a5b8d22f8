"""The tracker's log: events in its own names and shapes, a few broken or twice delivered. Files are in `landing`."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.world.catalogue import Catalogue, item_ids
from recs_platform.world.config import DAY_MS, MINUTE_MS, WorldConfig
from recs_platform.world.draws import Codes, Instants
from recs_platform.world.feedback import ACTIONS, Actions
from recs_platform.world.identifiers import known, named, numbered
from recs_platform.world.policy import Impressions
from recs_platform.world.population import COUNTRIES, DEVICES, REGIONS, user_ids
from recs_platform.world.sessions import REFERRERS, SYSTEMS, Visits

DAMAGE = (
    "null_user", "unknown_action", "scroll_over_one", "epoch_1970",
    "year_2124", "null_time", "negative_dwell", "position_zero",
)  # fmt: skip
UNKNOWN_ACTION = "teleport"
_CENTURY_MS = 36_525 * DAY_MS
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True)
class Delivery:
    """Rows in order of delivery.

    `source` is the row of impressions followed by actions that a row repeats; `number` identifies the event (a second
    delivery shows it again); `damage` indexes DAMAGE, -1 where all is well.
    """

    source: Instants
    number: Instants
    damage: Codes
    delivered_ms: Instants


def deliver(config: WorldConfig, shown: Impressions, actions: Actions) -> Delivery:
    """Order what happened by time, with damaged copies of every kind, and second deliveries up to a day late."""
    rng = config.generator("tracker")
    happened_ms = np.concatenate([shown.shown_ms, actions.at_ms])
    n = len(happened_ms)
    n_broken = max(len(DAMAGE), round(n * config.broken_share)) if config.broken_share > 0 else 0
    source = np.concatenate([np.arange(n), rng.choice(n, n_broken, replace=False)])
    damage = np.concatenate([np.full(n, -1), np.arange(n_broken) % len(DAMAGE)]).astype(np.int32)
    order = np.argsort(happened_ms[source], kind="stable")
    source, damage = source[order], damage[order]
    delivered_ms = happened_ms[source]
    n_again = max(3, round(n * config.duplicate_share)) if config.duplicate_share > 0 else 0
    again = rng.choice(np.flatnonzero(damage < 0), n_again, replace=False)
    again_ms = delivered_ms[again] + rng.integers(MINUTE_MS, DAY_MS, n_again)
    again, again_ms = again[np.argsort(again_ms, kind="stable")], np.sort(again_ms)
    place = np.searchsorted(delivered_ms, again_ms)
    return Delivery(
        source=np.insert(source, place, source[again]),
        number=np.insert(np.arange(len(source)), place, again),
        damage=np.insert(damage, place, damage[again]),
        delivered_ms=np.insert(delivered_ms, place, again_ms),
    )


def events_table(
    config: WorldConfig,
    catalogue: Catalogue,
    *,
    visits: Visits,
    shown: Impressions,
    actions: Actions,
    delivery: Delivery,
) -> pl.DataFrame:
    """One row a delivery, as the tracker exports it; in order of delivery.

    Columns eid, uid, iid, action, ts_ms, sid, rid, slot (from 0), prob, dwell_ms, scroll_pct, cents, stars,
    client {device, os}, geo {country, region}, ref.
    """
    source, damage = delivery.source, delivery.damage
    impression = np.concatenate([np.arange(len(shown.item)), actions.impression])[source]
    visit = shown.visit[impression]

    def answered(values: NDArray[_Number], none: float) -> NDArray[_Number]:
        return np.concatenate([np.full(len(shown.item), none, dtype=values.dtype), values])[source]

    def damaged(kind: str) -> NDArray[np.bool_]:
        return damage == DAMAGE.index(kind)

    action = np.where(damaged("unknown_action"), len(ACTIONS), answered(actions.action, 0))
    at_ms = np.concatenate([shown.shown_ms, actions.at_ms])[source]
    at_ms = np.where(damaged("epoch_1970"), at_ms % DAY_MS, at_ms + np.where(damaged("year_2124"), _CENTURY_MS, 0))
    dwell_ms = np.where(damaged("negative_dwell"), -5_000, answered(actions.dwell_ms, 0))
    scroll = np.where(damaged("scroll_over_one"), 170.0, answered(actions.scroll_percent, np.nan))
    return pl.DataFrame({
        "eid": numbered(f"w{config.tag}-", delivery.number),
        "uid": named(user_ids(config), np.where(damaged("null_user"), -1, visits.user[visit])),
        "iid": named(item_ids(config, catalogue), shown.item[impression]),
        "action": named((*ACTIONS, UNKNOWN_ACTION), action),
        "ts_ms": known(at_ms, ~damaged("null_time")),
        "sid": named(numbered(f"s{config.tag}-", np.arange(len(visits.user))), visit),
        "rid": named(numbered(f"r{config.tag}-", np.arange(int(shown.request[-1]) + 1)), shown.request[impression]),
        "slot": np.where(damaged("position_zero"), -1, shown.position[impression] - 1).astype(np.int32),
        "prob": pl.Series(np.where(action == 0, shown.propensity[impression], np.nan)).fill_nan(None),
        "dwell_ms": known(dwell_ms, dwell_ms != 0),
        "scroll_pct": pl.Series(scroll).fill_nan(None),
        "cents": known(answered(actions.cents, 0), answered(actions.cents, 0) > 0),
        "stars": known(answered(actions.stars, 0), answered(actions.stars, 0) > 0),
        "client": pl.DataFrame({
            "device": named(DEVICES, visits.device[visit]), "os": named(SYSTEMS, visits.system[visit]),
        }).to_struct(),
        "geo": pl.DataFrame({
            "country": named(COUNTRIES, visits.region[visit] // 3), "region": named(REGIONS, visits.region[visit]),
        }).to_struct(),
        "ref": named(REFERRERS, visits.referrer[visit]),
    })  # fmt: skip
