"""Lists that many users share: one a group of regions and a device, and which of its items are not for whom.

What a user is then shown is worked out in `stages.releases.references`; lists of one's own are made in `rerank`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.fallback import FALLBACK_SOURCE, fallback_ranking
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.region_groups import by_region_group
from recs_platform.stages.reranking.rules import ALWAYS, RULES, filters_of
from recs_platform.stages.reranking.rules.regions import availability_regions
from recs_platform.stages.reranking.rules.rule import Filter, Rule

ANY_DEVICE = "any device"
EVERYWHERE = "everywhere"
_PAIRS_AT_ONCE = 4_000_000
_LISTS = {c.LIST_ID: pl.String, c.RANK: pl.Int32, c.ITEM_ID: pl.String, c.SCORE: pl.Float64,
          c.SOURCES: pl.List(pl.String)}  # fmt: skip
_REFERENCES = {c.USER_ID: pl.String, c.LIST_ID: pl.String, c.LIST_LENGTH: pl.Int64,
               c.HIDDEN_ITEMS: pl.List(pl.String)}  # fmt: skip


@dataclass(frozen=True)
class SharedLists:
    """Lists, and the users they stand for.

    Attributes:
        lists: `list_id`, `rank` Int32 from 1, `item_id`, `score`, `sources`; as deep as the users of it need.
        references: One row a user: `user_id`, `list_id`, `list_length`, `hidden_items`. Of the list's items less the
            hidden ones, the first `list_length` are the user's; there are always so many.
    """

    lists: pl.DataFrame
    references: pl.DataFrame


def share_lists(
    context: RerankContext, devices: pl.DataFrame, popularity: pl.DataFrame, own_rules: Sequence[Rule] = ()
) -> SharedLists:
    """Refer users to the popular items of their device where they are; who would get fewer than k is left out.

    Args:
        context: As for `rerank`; its users are those to refer.
        devices: `user_id`, `top_device`; users of none of them, or of one without popular items, share any device's.
        popularity: `top_device`, `item_id`, `user_count` of what is popular there; other items come after, in the
            order of the context's fallback.
        own_rules: Rules of the home; their filters are obeyed.
    """
    filters, known = filters_of((*RULES, *own_rules)), popularity[c.TOP_DEVICE].unique()
    lists, references = [pl.DataFrame(schema=_LISTS)], [pl.DataFrame(schema=_REFERENCES)]
    nobody = pl.DataFrame(schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String})
    for _, group in by_region_group(nobody, context):
        place = _place(group)
        named = group.users.to_frame(c.USER_ID).join(devices, on=c.USER_ID, how="left")
        of_device = pl.when(pl.col(c.TOP_DEVICE).is_in(known.implode())).then(pl.col(c.TOP_DEVICE))
        named = named.select(c.USER_ID, of_device.fill_null(ANY_DEVICE).alias(c.TOP_DEVICE)).sort(c.USER_ID)
        for (device,), members in named.partition_by(c.TOP_DEVICE, as_dict=True, maintain_order=True).items():
            theirs = replace(group, users=members[c.USER_ID], fallback=_order(group, popularity, str(device)))
            made = _share(theirs, filters, f"{place}, {device}")
            lists.append(made.lists)
            references.append(made.references)
    return SharedLists(pl.concat(lists).sort(c.LIST_ID, c.RANK), pl.concat(references).sort(c.USER_ID))


def _place(group: RerankContext) -> str:
    """The first of the regions whose users are in the group; a region is in one group only."""
    if group.exclusions.is_empty() or group.users.is_empty():
        return EVERYWHERE
    return str(availability_regions(group.users, group.user_regions)[c.AVAILABILITY_REGION].min())


def _order(context: RerankContext, popularity: pl.DataFrame, device: str) -> pl.DataFrame:
    """`item_id`, `score`: popular on the device first, then the context's fallback; greater is better."""
    here = popularity.filter(pl.col(c.TOP_DEVICE) == device).select(c.ITEM_ID, c.USER_COUNT)
    ordered = context.fallback.join(here, on=c.ITEM_ID, how="left").sort(
        c.USER_COUNT, c.SCORE, c.ITEM_ID, descending=[True, True, False], nulls_last=True
    )
    return ordered.select(c.ITEM_ID, -pl.int_range(pl.len()).cast(pl.Float64).alias(c.SCORE))


def _share(context: RerankContext, filters: Sequence[Filter], list_id: str) -> SharedLists:
    ranking = fallback_ranking(context, filters).select(c.ITEM_ID).with_row_index(c.RANK, offset=1)
    hidden = pl.concat([pl.DataFrame(schema=_HIDDEN), *_hidden(context, ranking, filters)])
    counted = (
        context.users.to_frame(c.USER_ID)
        .join(hidden.group_by(c.USER_ID).agg(pl.len().alias("_hidden")), on=c.USER_ID, how="left")
        .with_columns(pl.col("_hidden").fill_null(0).cast(pl.Int64))
        .filter(ranking.height - pl.col("_hidden") >= context.k)
    )
    # No user looks deeper than this: what is hidden below it is not worth keeping.
    within = hidden.join(counted, on=c.USER_ID).filter(pl.col(c.RANK) <= pl.col("_hidden") + context.k)
    items = within.sort(c.USER_ID, c.RANK).group_by(c.USER_ID).agg(pl.col(c.ITEM_ID).alias(c.HIDDEN_ITEMS))
    references = counted.join(items, on=c.USER_ID, how="left").select(
        c.USER_ID,
        pl.lit(list_id).alias(c.LIST_ID),
        pl.lit(context.k, pl.Int64).alias(c.LIST_LENGTH),
        pl.col(c.HIDDEN_ITEMS).fill_null(pl.lit([], pl.List(pl.String))),
    )
    deepest = references[c.HIDDEN_ITEMS].list.len().max()
    depth = context.k + int(deepest) if isinstance(deepest, int) else 0
    lists = ranking.head(depth).select(
        pl.lit(list_id).alias(c.LIST_ID),
        pl.col(c.RANK).cast(pl.Int32),
        c.ITEM_ID,
        # As the rows that fill a list of one's own: below 0, for they are no ranker's scores.
        -pl.col(c.RANK).cast(pl.Float64).alias(c.SCORE),
        pl.concat_list(pl.lit(FALLBACK_SOURCE)).alias(c.SOURCES),
    )
    return SharedLists(lists, references)


_HIDDEN = {c.USER_ID: pl.String, c.RANK: pl.UInt32, c.ITEM_ID: pl.String}


def _hidden(context: RerankContext, ranking: pl.DataFrame, filters: Sequence[Filter]) -> Iterator[pl.DataFrame]:
    """Items of the ranking that filters leave out for a user: `user_id`, `rank`, `item_id`.

    What the filters that always hold say of users is what they consumed; the others are asked about every pair.
    """
    if not context.allow_repeats:
        consumed = context.consumed.select(c.USER_ID, c.ITEM_ID).unique()
        mine = consumed.join(context.users.to_frame(c.USER_ID), on=c.USER_ID, how="semi")
        yield mine.join(ranking, on=c.ITEM_ID).select(list(_HIDDEN))
    own = [rule for rule in filters if rule not in ALWAYS and rule.by != "item" and rule.is_on(context)]
    if not own:
        return
    for users in context.users.to_frame(c.USER_ID).iter_slices(max(1, _PAIRS_AT_ONCE // max(1, ranking.height))):
        pairs = users.join(ranking, how="cross")
        if not context.allow_repeats:  # these are hidden already
            pairs = pairs.join(context.consumed, on=[c.USER_ID, c.ITEM_ID], how="anti")
        kept = pairs.select(c.USER_ID, c.ITEM_ID)
        for rule in own:
            kept = apply_checked(rule, kept, context)
        yield pairs.join(kept, on=[c.USER_ID, c.ITEM_ID], how="anti").select(list(_HIDDEN))
