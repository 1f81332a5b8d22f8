"""The tracker's log: events in its own names and shapes, a few broken or twice delivered. Files are in `landing`."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.world.bots import Bots
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

    `source` is the row that a row repeats of impressions, actions and bots' requests, one after the other; `number`
    identifies the event (a second delivery shows it again); `damage` indexes DAMAGE, -1 where all is well.
    """

    source: Instants
    number: Instants
    damage: Codes
    delivered_ms: Instants


def deliver(config: WorldConfig, shown: Impressions, actions: Actions, bots: Bots) -> Delivery:
    """Order what happened by time, with damaged copies of every kind, and second deliveries up to a day late."""
    rng = config.generator("tracker")
    happened_ms = np.concatenate([shown.shown_ms, actions.at_ms, bots.at_ms])
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
    index = np.searchsorted(delivered_ms, again_ms)
    return Delivery(
        source=np.insert(source, index, source[again]),
        number=np.insert(np.arange(len(source)), index, again),
        damage=np.insert(damage, index, damage[again]),
        delivered_ms=np.insert(delivered_ms, index, again_ms),
    )


def events_table(
    config: WorldConfig,
    catalogue: Catalogue,
    *,
    visits: Visits,
    shown: Impressions,
    actions: Actions,
    bots: Bots,
    delivery: Delivery,
) -> pl.DataFrame:
    """One row a delivery, as the tracker exports it; in order of delivery.

    Columns eid, uid, iid, action, ts_ms, sid, rid, slot (from 0), prob, dwell_ms, scroll_pct, cents, stars,
    client {device, os}, geo {country, region}, ref.
    """
    source, damage = delivery.source, delivery.damage
    n_shown, n_asked, n_visits, n_days = len(shown.item), len(bots.item), len(visits.user), len(bots.user)
    # What bots ask for stands behind the impressions, their days behind the visits.
    page = np.concatenate([np.arange(n_shown), actions.impression, n_shown + np.arange(n_asked)])[source]
    visit = np.concatenate([shown.visit, n_visits + bots.session])[page]

    def on_page(values: NDArray[_Number], asked: NDArray[_Number] | float) -> NDArray[_Number]:
        return np.concatenate([values, _filled(asked, n_asked, values)])[page]

    def in_visit(values: NDArray[_Number], days: NDArray[_Number] | float) -> NDArray[_Number]:
        return np.concatenate([values, _filled(days, n_days, values)])[visit]

    def done(values: NDArray[_Number], asked: NDArray[_Number] | float, none: float = 0) -> NDArray[_Number]:
        return np.concatenate([_filled(none, n_shown, values), values, _filled(asked, n_asked, values)])[source]

    def damaged(kind: str) -> NDArray[np.bool_]:
        return damage == DAMAGE.index(kind)

    action = np.where(damaged("unknown_action"), len(ACTIONS), done(actions.action, bots.action))
    at_ms = np.concatenate([shown.shown_ms, actions.at_ms, bots.at_ms])[source]
    at_ms = np.where(damaged("epoch_1970"), at_ms % DAY_MS, at_ms + np.where(damaged("year_2124"), _CENTURY_MS, 0))
    dwell_ms = np.where(damaged("negative_dwell"), -5_000, done(actions.dwell_ms, bots.dwell_ms))
    scroll = np.where(damaged("scroll_over_one"), 170.0, done(actions.scroll_percent, np.nan, none=np.nan))
    cents, stars = done(actions.cents, 0), done(actions.stars, 0)
    slot, region = on_page(shown.position, 0) - 1, in_visit(visits.region, bots.region)
    has_slot = damaged("position_zero") | (slot >= 0)
    requests = numbered(f"r{config.tag}-", np.arange(int(shown.request[-1]) + 1))
    return pl.DataFrame({
        "eid": numbered(f"w{config.tag}-", delivery.number),
        "uid": named(user_ids(config), np.where(damaged("null_user"), -1, in_visit(visits.user, bots.user))),
        "iid": named(item_ids(config, catalogue), on_page(shown.item, bots.item)),
        "action": named((*ACTIONS, UNKNOWN_ACTION), action),
        "ts_ms": known(at_ms, ~damaged("null_time")),
        "sid": named(numbered(f"s{config.tag}-", np.arange(n_visits + n_days)), visit),
        "rid": named(requests, on_page(shown.request, -1)),
        "slot": known(np.where(damaged("position_zero"), -1, slot), has_slot).cast(pl.Int32),
        "prob": pl.Series(np.where(action == 0, on_page(shown.propensity, np.nan), np.nan)).fill_nan(None),
        "dwell_ms": known(dwell_ms, dwell_ms != 0),
        "scroll_pct": pl.Series(scroll).fill_nan(None),
        "cents": known(cents, cents > 0),
        "stars": known(stars, stars > 0),
        "client": pl.DataFrame({
            "device": named(DEVICES, in_visit(visits.device, bots.device)),
            "os": named(SYSTEMS, in_visit(visits.system, bots.system)),
        }).to_struct(),
        "geo": pl.DataFrame({
            "country": named(COUNTRIES, region // 3), "region": named(REGIONS, region),
        }).to_struct(),
        "ref": named(REFERRERS, in_visit(visits.referrer, 0)),
    })  # fmt: skip


def _filled(values: NDArray[_Number] | float, n: int, like: NDArray[_Number]) -> NDArray[_Number]:
    """The values, or one value `n` times, in the type of `like`."""
    return np.broadcast_to(np.asarray(values, dtype=like.dtype), n)
