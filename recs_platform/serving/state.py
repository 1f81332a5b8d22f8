"""What every answer is made from: settings, the bundle in force, and what is known of the moment.

Lists are made in `new_lists`, answered in `answers`; what is in the catalogue in `catalogue_answers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from recs_platform.serving.treatments import UNTREATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from recs_platform.contracts.serving_settings import ServingSettings
    from recs_platform.evaluation.experiments.canary import Side
    from recs_platform.serving.canary import Canary
    from recs_platform.serving.dismissals import Dismissals
    from recs_platform.serving.learning import Learned
    from recs_platform.serving.metrics import VariantMetrics
    from recs_platform.serving.remembered import RememberedLists
    from recs_platform.serving.sessions import Sessions
    from recs_platform.serving.shared import Shared
    from recs_platform.serving.stored_pages import PageCache
    from recs_platform.serving.treatments import Treatment
    from recs_platform.serving.variants import Variants
    from recs_platform.serving.watch import BundleWatch
    from recs_platform.stages.releases.bundle import Bundle


@dataclass
class Serving:
    """What answers share: settings, the bundle in force, sessions, shown lists, and the home's name of a user id.

    `learned`: what the stream taught since the release, None where `serving.learning` is off. `shared`: what
    other processes know, None where this one serves alone. `forgotten`: users, as they are stored, who asked to be
    forgotten and may still be in the bundle. `pages`: answers that were made before, of nobody who is forgotten.
    """

    settings: ServingSettings
    watch: BundleWatch
    canary: Canary
    sessions: Sessions
    lists: RememberedLists
    dismissals: Dismissals
    pages: PageCache
    variants: Variants
    metrics: VariantMetrics
    stored_name: Callable[[str], str]
    learned: Learned | None = None
    shared: Shared | None = None
    forgotten: set[str] = field(default_factory=set[str])

    @property
    def bundle(self) -> Bundle:
        """The bundle of whoever is in no trial of a new release. Raises Problem `not_ready`."""
        return self.canary.for_everybody(self.watch.bundle)

    def meant_until(self, bundle: Bundle, user: int | None) -> datetime:
        """Until when a list given now may be shown: as long as its cursor is understood, less where the release says.

        `user`: code in the bundle. A list that is over already is the best there is until the next release.
        """
        now = datetime.now(UTC)
        understood = now + timedelta(minutes=self.settings.list_minutes)
        meant = bundle.expires_at(user)
        return understood if meant is None or meant <= now else min(meant, understood)

    def users(self) -> set[str]:
        """Of whom anything is in memory, as they are stored."""
        learned = () if self.learned is None else self.learned.users()
        found = self.sessions.users(), self.lists.users(), self.dismissals.users(), learned
        return {user for users in found for user in users} - self.forgotten

    def forget(self, user_id: str) -> None:
        """Drop what is in memory of a user, look nothing of them up any more, and let the shared store forget too."""
        self.forget_stored(self.stored_name(user_id))

    def forget_stored(self, stored: str) -> None:
        """The same of a user by the home's name."""
        self.forgotten.add(stored)
        self.pages.clear()
        self.sessions.forget(stored)
        self.lists.forget(stored)
        self.dismissals.forget(stored)
        if self.learned is not None:
            self.learned.forget(stored)
        if self.shared is not None:
            self.shared.forget_user_soon(stored)


def released_for(serving: Serving, stored: str) -> tuple[Bundle, Treatment, Side | None]:
    """The bundle a user is answered from, what variants do to it, and where a canary counts it."""
    if stored in serving.forgotten:
        return serving.bundle, UNTREATED, None
    bundle, side = serving.canary.bundle_for(stored, serving.watch.bundle)
    if serving.variants.are_none:
        return bundle, UNTREATED, side
    treatment = serving.variants.treatment(stored, bundle, datetime.now(UTC).date())
    return treatment.bundle or bundle, treatment, side if treatment.bundle is None else None
