"""Tables of releases in the analysts' file: lists, what is shown in their place, and the views of them.

Which other tables it holds is in `publishing`.
"""
# pyright: reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import (
    CURRENT,
    LIST_CHANGES,
    LIST_EXPIRY,
    LIST_REFERENCES,
    PERSONAL_LISTS,
    RELEASED_LISTS,
    RELEASES,
    RELEASES_IN_FORCE,
    SHARED_LISTS,
    SHORT_LISTS,
    SURFACE_LISTS,
    TableContract,
)
from recs_platform.lake.artifacts import artifact
from recs_platform.lake.column_types import polars_schema
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.served import impersonal_sources
from recs_platform.stages import releases
from recs_platform.stages.releases.files import (
    EXPIRY_FILE,
    LISTS_FILE,
    REFERENCES_FILE,
    SERVED_ARTIFACT,
    SHARED_FILE,
    SURFACE_FILE,
)
from recs_platform.stages.releases.in_force_log import in_force_rows
from recs_platform.stages.releases.replacements import replacement_of
from recs_platform.stages.releases.served import (
    ROWS_FILE,
    SURFACE_ROWS_FILE,
    SURFACE_USERS_FILE,
    USERS_FILE,
)
from recs_platform.stages.releases.views import changes_view, current_view, lists_view
from recs_platform.stages.releases.withheld import Withheld
from recs_platform.warehouse.published_tables import Instead, PublishedTable, Refused, published_contract

_RELEASE_ID = next(column for column in CURRENT.columns if column.name == c.RELEASE_ID)
# Rows of each kept release, by file.
_RELEASED = {
    PERSONAL_LISTS: LISTS_FILE,
    SHARED_LISTS.with_columns(_RELEASE_ID): SHARED_FILE,
    LIST_REFERENCES.with_columns(_RELEASE_ID): REFERENCES_FILE,
    SURFACE_LISTS.with_columns(_RELEASE_ID): SURFACE_FILE,
    LIST_EXPIRY: EXPIRY_FILE,
}
# Columns that releases of before exploration lack.
_OF_OLDER = {c.PROPENSITY_METHOD: "'exact'", c.IS_HOLDOUT: "false"}
# Rows that are served in the place of others, whose they are, and what says so, by file of a release.
_SERVED = {
    LISTS_FILE: (ROWS_FILE, USERS_FILE, (c.USER_ID,)),
    REFERENCES_FILE: (None, USERS_FILE, (c.USER_ID,)),
    SURFACE_FILE: (SURFACE_ROWS_FILE, SURFACE_USERS_FILE, (c.SURFACE, c.USER_ID)),
}
_PERSONAL = frozenset({PERSONAL_LISTS.name, SURFACE_LISTS.name, LIST_EXPIRY.name})
_VIEWS = {RELEASED_LISTS: lists_view, CURRENT: current_view, LIST_CHANGES: changes_view}
# Counting them reads the lists of every release.
_UNCOUNTED = frozenset({RELEASED_LISTS.name, LIST_CHANGES.name})
RELEASED = (*_RELEASED, RELEASES, RELEASES_IN_FORCE, SHORT_LISTS, *_VIEWS)
LATEST = "latest"  # the schema of tables as of the release in force


def release_tables(platform: Platform, withheld: Withheld | None = None) -> list[PublishedTable]:
    """Releases, the lists of those that are kept, and the views of them.

    `withheld`: of people who opted out no personal list stays, of whatever release.
    """
    return [*_released(platform, withheld), *(view_table(contract, sql()) for contract, sql in _VIEWS.items())]


def view_table(contract: TableContract, sql: str) -> PublishedTable:
    """A view of the file; of lists of every release and of `latest` the rows are not counted."""
    counted = contract.name not in _UNCOUNTED and contract.schema != LATEST
    return replace(published_contract(contract), view=sql, is_counted=counted)


def _released(platform: Platform, withheld: Withheld | None) -> list[PublishedTable]:
    """Lists of the kept releases, and of the release in force why some are short."""
    found = releases.list_releases(platform.home)
    kept = _kept(found, platform.settings.publish.as_ofs_max)
    folders = {name: artifact(platform.home.artifacts, releases.RELEASES_ARTIFACT, name) for name in kept}
    in_force = found.filter(c.IS_CURRENT)[c.RELEASE_ID].to_list()
    tables = [
        replace(
            published_contract(contract),
            releases={name: [folder / file] for name, folder in folders.items() if (folder / file).exists()},
            instead={name: instead for name in in_force if (instead := _instead(platform, name, file)) is not None},
            refused=None if withheld is None or contract.name not in _PERSONAL else _refused(withheld),
            defaults=_OF_OLDER,
        )
        for contract, file in _RELEASED.items()
    ]
    short = [releases.read_short_lists(platform.home, name) for name in in_force]
    rows = {
        RELEASES: found,
        RELEASES_IN_FORCE: in_force_rows(platform.home),
        SHORT_LISTS: short[0] if short else pl.DataFrame(schema=polars_schema(SHORT_LISTS.columns)),
    }
    return [*tables, *(published_contract(contract, frame) for contract, frame in rows.items())]


def _refused(withheld: Withheld) -> Refused:
    users = pl.DataFrame({c.USER_ID: sorted(withheld.opted_out)}, schema={c.USER_ID: pl.String})
    return Refused(users, impersonal_sources(withheld))


def _instead(platform: Platform, release_id: str, file: str) -> Instead | None:
    """What is served in the place of rows of one of a release's files."""
    manifest = replacement_of(platform.home, release_id)
    if manifest is None or file not in _SERVED:
        return None
    rows, of, key = _SERVED[file]
    folder = artifact(platform.home.artifacts, SERVED_ARTIFACT, manifest.version)
    return Instead(folder / of, key, folder / rows if rows is not None else None)


def _kept(found: pl.DataFrame, as_ofs_max: int) -> list[str]:
    """Releases of the newest instants, and the one in force; oldest first."""
    newest = found[c.AS_OF].unique().sort().tail(as_ofs_max).implode()
    return found.filter(pl.col(c.AS_OF).is_in(newest) | pl.col(c.IS_CURRENT))[c.RELEASE_ID].to_list()
