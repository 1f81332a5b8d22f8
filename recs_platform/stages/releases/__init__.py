"""Releases: sealed lists, which of them is in force, pinning and comparing them. Lists are made in `reranking`.

What online serving needs of a release is in `bundle`, which of its rows are served no more in `served`.

A release is an artifact that never changes; what is in force follows from the releases there are and from the pin.
"""

from recs_platform.stages.releases.differences import ReleaseDiff, diff_releases
from recs_platform.stages.releases.expiry import expired_share, list_expiry, read_list_expiry
from recs_platform.stages.releases.files import RELEASES_ARTIFACT, WITHDRAWN_ARTIFACT
from recs_platform.stages.releases.in_force import (
    built_release,
    current_release,
    find_release,
    is_withdrawn,
    latest_release,
    list_releases,
    pin_release,
    pinned_release,
    previous_release,
    unpin,
    why_stale,
    withdraw_release,
)
from recs_platform.stages.releases.reading import (
    cut_off_files,
    listed_among,
    listed_users,
    read_items_of,
    read_personal_lists,
    read_release,
    read_shared_lists,
    read_short_lists,
    read_surface_lists,
)
from recs_platform.stages.releases.replacements import replacement_of
from recs_platform.stages.releases.sealing import ReleaseOrigin, ReleaseRows, seal_release
from recs_platform.stages.releases.served import read_served, read_served_expiry, read_served_surfaces

__all__ = [
    "RELEASES_ARTIFACT",
    "WITHDRAWN_ARTIFACT",
    "ReleaseDiff",
    "ReleaseOrigin",
    "ReleaseRows",
    "built_release",
    "current_release",
    "cut_off_files",
    "diff_releases",
    "expired_share",
    "find_release",
    "is_withdrawn",
    "latest_release",
    "list_expiry",
    "list_releases",
    "listed_among",
    "listed_users",
    "pin_release",
    "pinned_release",
    "previous_release",
    "read_items_of",
    "read_list_expiry",
    "read_personal_lists",
    "read_release",
    "read_served",
    "read_served_expiry",
    "read_served_surfaces",
    "read_shared_lists",
    "read_short_lists",
    "read_surface_lists",
    "replacement_of",
    "seal_release",
    "unpin",
    "why_stale",
    "withdraw_release",
]
