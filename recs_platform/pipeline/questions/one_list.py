"""The list that a question about a user and an item is about: that of everywhere, or of a surface; made again too.

What it is made from is read in `one_user`, which step moved an item is found in `replaying`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.surface_settings import SurfaceSettings
from recs_platform.pipeline.as_of_run import USER_SEGMENTS, AsOfRun
from recs_platform.pipeline.lists.boards import board_groups, on_surface
from recs_platform.pipeline.lists.exploring import HOLDOUT_REASON, exploration_of, rerank_explored
from recs_platform.pipeline.lists.list_inputs import profiles_of
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.one_user import OneUser
from recs_platform.stages import reranking
from recs_platform.stages.releases import (
    read_release,
    read_served,
    read_served_surfaces,
    read_shared_lists,
    read_surface_lists,
)

_HELD_OUT_TAIL = HOLDOUT_REASON.format("")


@dataclass(frozen=True)
class OneList:
    """A list of one user.

    `surface`: its settings, None for the list of everywhere. `context`: of the user there, `ranked`: rows that it is
    made from. `released`, `served`: the user's rows of the release, and what is shown by now. `is_dormant`: whether the
    release shows the user a shared list, for whom nothing was ranked.
    """

    surface: SurfaceSettings | None
    context: reranking.RerankContext
    ranked: pl.DataFrame
    released: pl.DataFrame
    served: pl.DataFrame
    is_dormant: bool

    @property
    def is_personal(self) -> bool:
        """Whether what was ranked for the user comes into it at all."""
        return self.surface is None or self.surface.personal

    @property
    def is_of_candidates(self) -> bool:
        """Whether candidates of the user were looked at for it."""
        return self.is_personal and not self.is_dormant and not self.is_held_out

    @property
    def is_held_out(self) -> bool:
        """Whether the released list is that of somebody in the comparison group, whatever the settings say now."""
        return bool(self.released[c.REASON].str.ends_with(_HELD_OUT_TAIL).any())

    def made_again(self, run: AsOfRun, own_rules: Sequence[reranking.Rule]) -> pl.DataFrame:
        """The list, from the settings of now."""
        if self.surface is None:
            return rerank_explored(run, self.ranked, self.context, own_rules).lists
        return reranking.rerank(self.ranked, self.context, own_rules).lists

    def exploration(self, run: AsOfRun) -> reranking.Exploration | None:
        """How places of it are drawn: of surfaces none is."""
        return exploration_of(run) if self.surface is None else None


def surface_settings(platform: Platform, name: str | None) -> SurfaceSettings | None:
    """Settings of a surface by name, None without a name. Raises RecsError where the settings of now have none such."""
    if name is None:
        return None
    found = platform.settings.surfaces.get(name)
    if found is None:
        raise RecsError(f"the settings have no surface {name!r} any more: put it back into recs.toml, or build anew")
    return found


def open_list(platform: Platform, release: Manifest, known: OneUser, name: str | None) -> OneList:
    """The user's list of everywhere, or of the surface of that name; `known`: read with its settings.

    Raises RecsError where the settings of now have no such surface.
    """
    context, surface, user = known.context(platform), surface_settings(platform, name), known.user_id
    shared = read_shared_lists(platform.home, release.version).references
    is_dormant = bool((shared[c.USER_ID] == user).any())
    if surface is None:
        released = read_release(platform.home, release.version, user=user)
        served = read_served(platform.home, release.version, user=user)
        return OneList(None, context, known.ranked, released, served, is_dormant)
    here = on_surface(surface, context, known.facts)
    return OneList(
        surface,
        here if surface.board is None else _with_board(platform, release, surface, here),
        known.ranked if surface.personal else known.ranked.clear(),
        read_surface_lists(platform.home, release.version, surface=name, user=user),
        read_served_surfaces(platform.home, release.version, surface=name, user=user),
        is_dormant,
    )


def _with_board(
    platform: Platform, release: Manifest, surface: SurfaceSettings, context: reranking.RerankContext
) -> reranking.RerankContext:
    """The context with what fills the user's list there: a board counts what everybody did."""
    run = AsOfRun(platform, release.as_of, release.known_at, keeps_events=False)
    try:
        with run.models() as models:
            segments = models.frame(USER_SEGMENTS, [c.USER_ID, c.SEGMENT_ID])
        profiles = profiles_of(run.users, segments)
        groups = board_groups(run, surface, replace(context, users=profiles[c.USER_ID]), profiles)
        return next(theirs for _, theirs in groups.of(context))
    finally:
        run.close()
