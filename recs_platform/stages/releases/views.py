"""SQL of the views that analysts read lists through: of every kept release, of the one in force, and what changed."""
# ruff: noqa: S608  names come from contracts

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import (
    CURRENT,
    LIST_CHANGES,
    LIST_REFERENCES,
    PERSONAL_LISTS,
    RELEASED_LISTS,
    RELEASES,
    SHARED_LISTS,
)

IN_FORCE = f"(select {c.RELEASE_ID} from {RELEASES.name} where {c.IS_CURRENT})"
AS_OF_IN_FORCE = f"(select {c.AS_OF} from {RELEASES.name} where {c.IS_CURRENT})"
_PLACE = "place"
_KEPT = f"(select {c.RELEASE_ID} from {RELEASES.name})"


def lists_view() -> str:
    """SQL of `recommendations.lists`: users' own lists, then those that they refer to."""
    return _lists(_KEPT)


def current_view() -> str:
    """SQL of `recommendations.current`: the same of the release in force."""
    return _lists(IN_FORCE)


def _lists(releases: str) -> str:
    names = ", ".join(CURRENT.column_names)
    of_reference = {c.USER_ID, c.SEGMENT_ID, c.AS_OF, c.RELEASE_ID}
    window = f"partition by r.{c.RELEASE_ID}, r.{c.USER_ID} order by s.{c.RANK}"
    place = f"cast(row_number() over ({window}) as integer) as {c.RANK}"
    chosen = ", ".join(
        place if name == c.RANK else f"{'r' if name in of_reference else 's'}.{name}" for name in CURRENT.column_names
    )
    return (
        f"select {names} from {PERSONAL_LISTS.name} where {c.RELEASE_ID} in {releases} "
        f"union all select {names} from (select {chosen}, r.{c.LIST_LENGTH} "
        f"from ({_places(releases)}) as r inner join {SHARED_LISTS.name} as s "
        f"on r.{c.RELEASE_ID} = s.{c.RELEASE_ID} and r.{c.LIST_ID} = s.{c.LIST_ID} and r.{_PLACE} = s.{c.RANK} "
        f"anti join ({_hidden()}) as h "
        f"on r.{c.RELEASE_ID} = h.{c.RELEASE_ID} and r.{c.USER_ID} = h.{c.USER_ID} and s.{c.ITEM_ID} = h.{c.ITEM_ID}) "
        f"where {c.RANK} <= {c.LIST_LENGTH}"
    )


def _places(releases: str) -> str:
    """References, a row for each place of the shared list that the user may look at: of its hundreds, a few."""
    names = (c.RELEASE_ID, c.AS_OF, c.USER_ID, c.SEGMENT_ID, c.LIST_ID, c.LIST_LENGTH)
    deepest = f"{c.LIST_LENGTH} + len({c.HIDDEN_ITEMS})"
    return (
        f"select {', '.join(names)}, unnest(range(1, {deepest} + 1)) as {_PLACE} "
        f"from {LIST_REFERENCES.name} where {c.RELEASE_ID} in {releases}"
    )


def _hidden() -> str:
    """A row for each item that a user is not shown of the list."""
    item = f"unnest({c.HIDDEN_ITEMS}) as {c.ITEM_ID}"
    return f"select {c.RELEASE_ID}, {c.USER_ID}, {item} from {LIST_REFERENCES.name}"


def changes_view() -> str:
    """SQL of `marts.list_changes`; filters on release and user reach the lists that it reads."""
    names = ", ".join(LIST_CHANGES.column_names)
    key = ", ".join((c.RELEASE_ID, c.PREVIOUS_RELEASE_ID, c.USER_ID, c.ITEM_ID))
    # Both lists once, side by side by user and item; what joins them to each other reads each of them whole thrice.
    places = f"{_side(c.RELEASE_ID, c.RANK)} union all {_side(c.PREVIOUS_RELEASE_ID, c.RANK_BEFORE)}"
    of_user = f"over (partition by {c.RELEASE_ID}, {c.USER_ID})"
    has_both = f"count(max({c.RANK})) {of_user} > 0 and count(max({c.RANK_BEFORE})) {of_user} > 0"
    change = (
        f"case when {c.RANK_BEFORE} is null then 'entered' when {c.RANK} is null then 'left' else 'moved' end "
        f"as {c.CHANGE}"
    )
    pairs = (
        f"select {key}, max({c.RANK}) as {c.RANK}, max({c.RANK_BEFORE}) as {c.RANK_BEFORE}, {has_both} as has_both "
        f"from ({places}) group by {key}"
    )
    return (
        f"select {names} from (select {key}, {change}, {c.RANK_BEFORE}, {c.RANK} from ({pairs}) "
        f"where has_both and {c.RANK} is distinct from {c.RANK_BEFORE})"
    )


def _side(release: str, place: str) -> str:
    """Rows of one of the two lists of a user, with its rank as `place`; `release`: which of the two releases it is."""
    ranks = ", ".join(f"{f'l.{c.RANK}' if name == place else 'null'} as {name}" for name in (c.RANK, c.RANK_BEFORE))
    return (
        f"select p.{c.RELEASE_ID}, p.{c.PREVIOUS_RELEASE_ID}, l.{c.USER_ID}, l.{c.ITEM_ID}, {ranks} "
        f"from {RELEASES.name} as p inner join {RELEASED_LISTS.name} as l on p.{release} = l.{c.RELEASE_ID}"
    )
