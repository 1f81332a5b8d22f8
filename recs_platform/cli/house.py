"""Opens what commands work on: the home's platform and its Dagster instance. Nothing is printed or decided here."""

import os
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.home import Home
from recs_platform.settings import HOME_VARIABLE, RetrievalSettings, Settings, read_settings

if TYPE_CHECKING:
    import dagster as dg

    from recs_platform.pipeline.platform import Platform

RECS_TOML = """\
# Settings of this home. Every line shows a default; take away the # to change it.
# Any of them can also be given as RECS_<FIELD>, a nested one as RECS_PUBLISH__<FIELD>.
# Lists such as user_attributes are then written as JSON.

# k = 10                        # items in a list
# seed = 7                      # of everything random
# threads = 2                   # cores one run may use (default: all)
# memory_limit_gb = 6.0         # DuckDB's share; sized for two runs at once
# horizon_days = 14             # length of a label or test window
# train_every_days = 7          # days between training cutoffs
# evaluation_windows = 12       # test windows pooled
# evaluation_protocol = "auto"  # global (rolling windows), per_user (each user's last fifth), or auto
# candidates_per_source = 40    # items a source offers a user
# max_per_category = 6          # items of one category in a list, while others last
# allow_repeats = false         # recommend what the user has consumed already
# schedule_hour = 3             # hour (UTC) of the daily build
# release_max_age_days = 2.0    # age of a release that the UI calls overdue; it warns at half of it
# session_gap_minutes = 30      # pause that ends a session, where the source names none
# data_tests = true             # run the SQL tests of each table as it is built
# landing_settle_seconds = 1.0  # a landed file must not have changed for so long before it is read

# [publish]
# events_as_table_max_rows = 5000000   # above it, raw.events is a view over linked files
# as_ofs_max = 30                      # as-of partitions kept in analytics.duckdb

# [privacy]
# pseudonymize = false      # store keyed hashes in the place of user ids; decide before the first ingestion
# retention_days = 365      # remove events after so many days (default: never)
# user_attributes = []      # keys of users.attributes that are kept; ["*"] keeps all
# item_attributes = ["*"]   # keys of items.attributes that are kept

# [outliers]
# exclude = true            # leave flagged events out of features and training
# z_max = 6.0               # robust z-score beyond which an event is flagged
# iqr_factor = 3.0          # quartile distances beyond a quartile that flag
# history_days = 28         # days before an event's day that judge it
# history_events_min = 200  # events of its type there must be in them

# [event_weights]           # how strongly one event speaks for its item; 0: seen or consumed, but no sign of liking
# impression = 0.0
# view = 1.0
# click = 1.0
# scroll = 0.5
# play = 1.0
# like = 3.0
# share = 3.0
# comment = 3.0
# bookmark = 3.0
# follow = 2.0
# download = 2.0
# rating = 1.0              # of five points; a lower one counts its share, one below three nothing
# cart_add = 3.0
# purchase = 5.0
# subscribe = 3.0
# dismiss = 0.0

# [retrieval]
# candidates = 200                # best of the merge that a user keeps
# vectors = "vectors.parquet"     # your own item vectors: item_id and vector, relative to this home
# blocked_items = ["item-1"]      # item_ids that nobody is offered
# blocked_creators = ["someone"]  # creators whose items nobody is offered
# refit_every_days = 7            # vectors are fitted in full so often, in between new events are folded in
# quotas = {new_items = 2}        # best items of a source that stay candidates wherever the merge puts them
# [retrieval.segments.new]        # by segment_id of segments.user_segments
# off = ["als"]                   # sources these users are not offered items of
# quotas = {new_items = 10}
# [retrieval.cold]                # users of whom little is known
# positives_max = 0               # with at most so many positives; a news home may want 2
# [retrieval.sources.trending]    # parameters of a source; every source has enabled and weight
# half_life_days = 3.0

# [training]
# windows_min = 8           # windows a ranker learns from, while the history has so many
# positives_min = 500       # more windows are added until they hold so many positives
# users_min = 200           # or until one of them holds so many users
# pooled_users_min = 200    # users in all test windows below which evaluation_protocol "auto" holds out per user

# [segments]
# clusters_max = 8          # greatest number of behavioural clusters tried
# min_share = 0.02          # smaller clusters join their nearest
# weights = {}              # weight of a feature in the distance between users, such as {night_share = 2.0}
"""


def make_home(home: Home) -> bool:
    """Create the home's folders and a commented recs.toml; whether there was none before."""
    for folder in (home.landing, home.lake, home.artifacts, home.reports, home.published, home.locks, home.logs):
        folder.mkdir(parents=True, exist_ok=True)
    is_new = not home.settings_file.exists()
    if is_new:
        home.settings_file.write_text(RECS_TOML)
    return is_new


def open_platform() -> "Platform":
    """The platform of the home that the environment names, its folders created."""
    settings = read_settings()
    make_home(settings.paths)
    return _platform(settings)


def find_platform() -> "Platform":
    """The same for commands that need what is there: nothing is created. Raises NotReady where there is no home."""
    settings = read_settings()
    if not _is_home(settings.paths):
        raise NotReady(f"no home at {settings.home}; run `recs init` (or set {HOME_VARIABLE})")
    return _platform(settings)


def _is_home(home: Home) -> bool:
    """A copy of a home may lack its settings file, which says nothing but defaults until it is edited."""
    folders = (home.landing, home.lake, home.artifacts, home.sources, home.models)
    return home.settings_file.is_file() or any(folder.is_dir() for folder in folders)


def _platform(settings: Settings) -> "Platform":
    from recs_platform.pipeline.platform import Platform, sql_folder

    platform = Platform(settings, sql_folder())
    # Defaults need no check, and retrieval takes a tenth of a second to import.
    if settings.retrieval != RetrievalSettings():
        from recs_platform.pipeline.retrieval.inputs import check_retrieval_settings

        check_retrieval_settings(platform)
    return platform


def open_dagster(platform: "Platform") -> "dg.DagsterInstance":
    """The home's Dagster instance, made where there is none."""
    from recs_platform.defs.instance import open_instance

    os.environ["DAGSTER_HOME"] = str(platform.home.dagster)
    return open_instance(platform.home)


def find_dagster(platform: "Platform") -> "dg.DagsterInstance":
    """The same for commands that only read: an empty one in memory where there is none."""
    from recs_platform.defs.instance import find_instance

    os.environ["DAGSTER_HOME"] = str(platform.home.dagster)
    return find_instance(platform.home)
