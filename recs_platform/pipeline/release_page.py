# ruff: noqa: S608  names come from models and contracts, values are literals
"""The page of a release: what came of it, what changed, and some users with their history and list side by side.

It lies beside the pages of the reports. Users are drawn by a hash, so that the same are shown from release to release.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import RELEASE_PAGE
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import CANDIDATES, OFFER_COUNTS, RANKED, VERDICTS, OfferedUnit
from recs_platform.pages import Head, Section, bar_table, percent, write_page
from recs_platform.pages.flow import Step, flow_chart
from recs_platform.pipeline.as_of_run import INTERACTIONS, AsOfRun
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.report_inputs import report_folder
from recs_platform.stages import releases
from recs_platform.stages.releases.differences import exposure_shares
from recs_platform.stages.reports.report import INDEX_ADDRESS
from recs_platform.stages.reports.verdicts import gravest_first, of_reports
from recs_platform.warehouse.clauses import relation, text_literal
from recs_platform.warehouse.runner import ModelRun

_ITEMS = "staging.stg_items"
# Tables of the as-of that it reads.
PAGE_READS = (CANDIDATES.name, OFFER_COUNTS.name, RANKED.name, VERDICTS.name, INTERACTIONS, _ITEMS)
USERS_SHOWN = 10
_ROWS_SHOWN = 10
_GROUPS_SHOWN = 12
# Users by how many items they consumed; as many of each are shown as there is room for.
_HISTORIES = ((10, None), (1, 9), (0, 0))


def write_release_page(run: AsOfRun, release: Manifest) -> Path:
    """Write the page of a sealed release; returns where it lies."""
    home = run.platform.home
    path = report_folder(run.platform, run.as_of) / RELEASE_PAGE
    lists = releases.read_release(home, release.version)
    with run.models() as models:
        items = models.frame(_ITEMS, [c.ITEM_ID, c.TITLE, c.CATEGORY, c.CREATOR])
        sections = [
            _flow(models, lists, release),
            _changes(run, release, items),
            *_exposure(models, lists, items),
            *_users(models, lists, items),
        ]
        judged = of_reports(gravest_first(models.frame(VERDICTS.name)))
    facts = {"ranker": str(release.parameters[c.RANKER_VERSION]), "data version": release.data_version}
    head = Head(facts, judged, INDEX_ADDRESS)
    write_page(path, f"Release {release.version}", run.as_of, sections, head)
    return path


def _flow(models: ModelRun, lists: pl.DataFrame, release: Manifest) -> Section:
    offers = models.frame(OFFER_COUNTS.name).filter(pl.col(c.OFFERED_UNIT) == OfferedUnit.ROW)
    offered = int(offers[c.OFFER_COUNT].sum())
    by_source = (
        offers.explode(c.SOURCES)
        .group_by(c.SOURCES)
        .agg(pl.col(c.OFFER_COUNT).sum())
        .sort(c.OFFER_COUNT, descending=True)
    )
    lines = [f"{source}: {percent(count / offered)}" for source, count in by_source.iter_rows()] if offered else []
    kept, ranked = models.count(CANDIDATES.name), relation(models.require(RANKED.name))
    # Those behind are for serving alone.
    ranked_count = models.query(f"select count(*) from {ranked} where {c.RANK} <= {RANKED_PER_USER}").item()
    users = int(release.metrics[c.N_USERS])
    steps = [
        Step("Candidates", f"{offered:,}", ["offered by", *lines]),
        Step("Kept", f"{kept:,}", ["the best of each user"]),
        Step("Ranked", f"{ranked_count:,}", [f"ranker {release.parameters[c.RANKER_VERSION]}"]),
        Step("Listed", f"{lists.height:,}", [f"for {users:,} users", "after the rules"]),
    ]
    return Section("From sources to lists", "How many rows each step leaves.", figure=flow_chart(steps))


def _changes(run: AsOfRun, release: Manifest, items: pl.DataFrame) -> Section:
    before = releases.previous_release(run.platform.home, run.as_of)
    if before is None:
        return Section("What changed", "It is the first release.")
    groups = items.select(c.ITEM_ID, c.CATEGORY, c.CREATOR)
    found = releases.diff_releases(run.platform.home, before.version, release.version, groups)
    changed = "none in common" if found.changed_share is None else percent(found.changed_share)
    text = (
        f"Against {before.version}: {changed} of the places hold an item that was not in the user's list; "
        f"{found.rows_entered:,} rows entered, {found.rows_left:,} left, {found.rows_moved:,} moved; "
        f"{len(found.users_added):,} users came, {len(found.users_removed):,} went. Below, the items whose number of "
        "lists changed most."
    )
    titled = found.movers.join(items.select(c.ITEM_ID, c.TITLE), on=c.ITEM_ID, how="left")
    return Section("What changed", text, titled.select(c.TITLE, *found.movers.columns))


def _exposure(models: ModelRun, lists: pl.DataFrame, items: pl.DataFrame) -> list[Section]:
    """Shares of places by category and creator, beside shares of what is consumed and of the catalogue."""
    consumed = models.frame(INTERACTIONS, [c.ITEM_ID])
    sections: list[Section] = []
    for dimension in (c.CATEGORY, c.CREATOR):
        groups = items.select(c.ITEM_ID, dimension)
        shares = exposure_shares({"listed": lists, "consumed": consumed, "catalogue": items}, groups, dimension)
        shown = shares.head(_GROUPS_SHOWN)
        names = [name or "none" for name in shown[c.VALUE]]
        columns = [("listed", percent), ("consumed", percent), ("catalogue", percent)]
        cells = {
            (name, column): float(value)
            for column, _ in columns
            for name, value in zip(names, shown[column], strict=True)
        }
        text = f"Share of all places by {dimension}, beside its share of what was consumed and of all items."
        figure = bar_table(names, columns, cells, corner=dimension)
        sections.append(Section(f"Exposure by {dimension}", text, figure=figure))
    return sections


def _users(models: ModelRun, lists: pl.DataFrame, items: pl.DataFrame) -> list[Section]:
    shown = _sample(models, lists[c.USER_ID].unique())
    if not shown:
        return []
    listed, consumed = ", ".join(map(text_literal, shown)), relation(models.require(INTERACTIONS))
    history = models.query(
        f"select {c.USER_ID}, {c.ITEM_ID}, max({c.OCCURRED_AT}) as newest from {consumed} "
        f"where {c.USER_ID} in ({listed}) group by all order by newest desc, {c.ITEM_ID}"
    ).join(items, on=c.ITEM_ID, how="left", maintain_order="left")
    titled = lists.join(items.select(c.ITEM_ID, c.TITLE), on=c.ITEM_ID, how="left").sort(c.USER_ID, c.RANK)
    return [
        _user(user, history.filter(pl.col(c.USER_ID) == user), titled.filter(pl.col(c.USER_ID) == user))
        for user in shown
    ]


def _user(user: str, history: pl.DataFrame, theirs: pl.DataFrame) -> Section:
    """The newest of the history beside the list, row by row."""
    left = history.head(_ROWS_SHOWN).select(
        pl.coalesce(c.TITLE, c.ITEM_ID).alias("consumed"), pl.col("newest").dt.strftime("%Y-%m-%d").alias("on")
    )
    right = theirs.head(_ROWS_SHOWN).select(c.RANK, pl.coalesce(c.TITLE, c.ITEM_ID).alias("recommended"), c.REASON)
    sides = [side.with_row_index("line") for side in (right, left)]
    table = sides[0].join(sides[1], on="line", how="full", coalesce=True).sort("line")
    table = table.select(*left.columns, *right.columns)
    text = (
        f"{history.height} items consumed; the newest are on the left." if history.height else "Nothing consumed yet."
    )
    return Section(f"User {user}", text, table)


def _sample(models: ModelRun, users: pl.Series) -> list[str]:
    """Users with long, short and no history, the first by a hash of their id."""
    consumed = relation(models.require(INTERACTIONS))
    counts = models.query(f"select {c.USER_ID}, count(distinct {c.ITEM_ID}) as items from {consumed} group by all")
    known = (
        users.alias(c.USER_ID)
        .to_frame()
        .join(counts, on=c.USER_ID, how="left")
        .with_columns(pl.col("items").fill_null(0))
    )
    chosen: list[str] = []
    for number, (least, most) in enumerate(_HISTORIES):
        inside = (pl.col("items") >= least) & (pl.lit(value=True) if most is None else pl.col("items") <= most)
        room = -(-(USERS_SHOWN - len(chosen)) // (len(_HISTORIES) - number))
        chosen += _first_by_hash(known.filter(inside)[c.USER_ID].to_list(), room)
    return chosen


def _first_by_hash(users: Sequence[str], n: int) -> list[str]:
    return sorted(users, key=lambda user: blake2b(user.encode(), digest_size=8).digest())[:n]
