"""Settings that a stage or the pipeline works with itself: groups of fields that its config and the settings build on.

Each field stands here once, with type, range, default and reason. What an operator alone decides is in `settings`;
what is fixed by measurement stands beside its algorithm.
"""

from collections import Counter
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recs_platform.contracts.shapes import Shapes

# How test windows are held out, once it is chosen.
Protocol = Literal["global", "per_user"]
Name = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Quota = Annotated[int, Field(ge=0, le=1000)]
# The name of a source: any in the settings, a registered one in the stage's config.
SourceName = TypeVar("SourceName", bound=str)
# The best of each source stay candidates: the ranker sees them, and evaluation can tell what the source alone does.
KEPT_OF_EACH = 10
_QUOTAS = "best items of a source that stay candidates wherever the merge puts them"


class SettingGroup(BaseModel):
    """Frozen, unknown names refused, every number finite; hashed by its values, for a dictionary has no hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class SegmentSettings(SettingGroup):
    """How users are grouped by what they do."""

    clusters_max: Annotated[
        int, Field(ge=2, le=20, description="greatest number of behavioural clusters tried; people tell no more apart")
    ] = 8
    min_share: Annotated[float, Field(gt=0, lt=0.5, description="smaller clusters join their nearest")] = 0.02
    weights: Annotated[
        dict[Name, Weight],
        Field(
            description="weight of a feature in the distance between users; 1 where not named",
            examples=[{"night_share": 2.0}],
        ),
    ] = {}


class LearningPlan(SettingGroup):
    """What rows a ranker learns from, and what each counts."""

    negatives: Annotated[
        Literal["candidates", "shown"],
        Field(description="rows beside the positives: candidates, or only what was shown, corrected for its place"),
    ] = "candidates"
    graded: Annotated[bool, Field(description="what was liked or bought gains more than what was opened")] = False
    refusals_are_negatives: Annotated[
        bool, Field(description="what was dismissed, or left within five seconds, is no positive")
    ] = False
    recency_half_life_days: Annotated[
        float | None,
        Field(
            gt=0,
            le=36_500,
            description="days in which a row's importance halves; unset, all alike",
            examples=[30.0],
        ),
    ] = None
    balance: Annotated[
        float, Field(ge=0, le=1, description="0 = users alike, 1 = groups of users by length of history alike")
    ] = 0.0
    early_stopping: Annotated[
        int, Field(ge=0, le=500, description="trees without a gain on the latest cutoff that end growth; 0 = all")
    ] = 0


class PromotionSettings(SettingGroup):
    """What a newly trained ranker must show before it takes the champion's place."""

    error_rate: Annotated[
        float,
        Field(gt=0, le=0.5, description="chance at one build that a ranker which is no better is promoted, at most"),
    ] = 0.05
    users_min: Annotated[
        int, Field(ge=2, le=10**9, description="user windows below which two rankers are not compared")
    ] = 60
    margin: Annotated[
        float, Field(ge=0, le=1, description="share of the champion's NDCG that may be lost where another metric gains")
    ] = 0.02
    segment_users_min: Annotated[
        int, Field(ge=2, le=10**9, description="user windows from which a segment is judged by itself")
    ] = 50
    segment_margin: Annotated[
        float, Field(ge=0, le=1, description="share of the champion's NDCG that a segment may lose")
    ] = 0.1
    guardrail: Annotated[
        float,
        Field(gt=0, le=1, description="least share of the champion's coverage, novelty, list length and calibration"),
    ] = 0.9
    cost_ratio_max: Annotated[
        float, Field(gt=0, le=1000, description="most nodes that a row passes, as a multiple of the champion's")
    ] = 4.0


class ExplorationSettings(SettingGroup):
    """Which places of a list are drawn by chance, from what, and who is shown popular items only, to compare with."""

    slots: Annotated[
        int, Field(ge=0, le=1000, description="last places of each list that are drawn by chance; 0 = none")
    ] = 0
    policy: Annotated[
        Literal["epsilon_uniform", "softmax", "thompson"],
        Field(description="how a place is drawn: the usual item or any, by place in the ranking, or by click rates"),
    ] = "epsilon_uniform"
    epsilon: Annotated[
        float, Field(gt=0, le=1, description="epsilon_uniform: chance that any of the candidates is drawn")
    ] = 0.2
    temperature: Annotated[
        float, Field(gt=0, le=1000, description="softmax: the greater, the more alike the chances")
    ] = 0.1
    candidates: Annotated[
        int, Field(ge=1, le=1000, description="next items of the user's ranking that all the slots together draw from")
    ] = 20
    new_item_boost: Annotated[
        float, Field(ge=1, le=1000, description="how many times as likely a new item is drawn as an old one")
    ] = 1.0
    new_item_days: Annotated[
        float, Field(gt=0, le=3650, description="days since its publication in which an item is new")
    ] = 14.0
    holdout_share: Annotated[
        float, Field(ge=0, le=0.5, description="share of users who are shown popular items only, always the same")
    ] = 0.0
    holdout_salt: Annotated[Name, Field(description="another text chooses other users for that share")] = "holdout"


class SegmentPlan(SettingGroup, Generic[SourceName]):
    """What is different for the users of one segment."""

    off: Annotated[tuple[SourceName, ...], Field(description="sources these users are not offered items of")] = ()
    quotas: Annotated[dict[SourceName, Quota], Field(description=_QUOTAS)] = {}


class ColdPlan(SettingGroup, Generic[SourceName]):
    """A switching hybrid (Burke 2002) for users of whom little is known: the first sources that fill a list are taken.

    `order`: groups of sources. A later group is asked only for users whom the earlier ones offer fewer items together
    than a source is asked for, and its items come after theirs; sources that are off for the others are asked here.
    Without a group nothing switches.

    The defaults were measured on users whose history was hidden, before any day that is tested. Without a positive,
    demographic and popular sources together found what the popular found and more; the demographic alone lost a tenth
    to a sixth of recall@40. With one or two positives left, these sources in the place of all enabled ones lost up to
    three quarters of it on two of three data sets, and won a tenth on news: such users are not cold.
    """

    positives_max: Annotated[
        int | None,
        Field(ge=0, le=1000, description="users with at most so many positives are cold; a news home may want 2"),
    ] = 0
    order: Annotated[
        tuple[tuple[SourceName, ...], ...],
        Field(description="groups of sources cold users are offered items of, the first first; [] = nobody is cold"),
    ] = cast(
        "Any",
        (
            ("content", "profiles", "vectors"),
            ("group_popularity", "popularity", "trending", "trending_1d", "new_items"),
        ),
    )

    @field_validator("order")
    @classmethod
    def _refuse_repeats(cls, order: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        counts = Counter(name for group in order for name in group)
        repeated = sorted(name for name, count in counts.items() if count > 1)
        if repeated:
            raise ValueError(f"each source belongs to one group; named more than once: {repeated}")
        return order


class SourceDepth(BaseModel):
    """How much each source is asked for: in `recs.toml` a key of its own, in the stage's config one of its fields."""

    candidates_per_source: Annotated[
        int, Field(ge=1, le=1000, description="items a source offers a user"), Shapes("retrieval_config")
    ] = 40


class RetrievalPlan(SettingGroup, Generic[SourceName]):
    """Which candidates are kept, by whom they are found for whom, and how often vectors are fitted in full."""

    candidates: Annotated[int | None, Field(ge=1, le=10_000, description="best of the merge that a user keeps")] = 200
    quotas: Annotated[
        dict[SourceName, Quota],
        Field(description=f"{_QUOTAS}; a home keeps {KEPT_OF_EACH} where none is named", examples=[{"new_items": 2}]),
    ] = {}
    segments: Annotated[
        dict[str, SegmentPlan[SourceName]],
        Field(
            description="by segment_id of segments.user_segments: sources that are off, and quotas of its own",
            examples=[{"newcomer": {"off": ["als"], "quotas": {"new_items": 10}}}],
        ),
    ] = {}
    cold: Annotated[ColdPlan[SourceName], Field(validate_default=True)] = ColdPlan()
    refit_every_days: Annotated[
        int | None,
        Field(
            ge=1,
            le=90,
            description="days between full fits of vectors, in between new events are folded in; unset, each is full",
            examples=[7],
        ),
    ] = None
