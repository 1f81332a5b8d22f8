"""Limits of the bias report, and what of a group is held against them: one end of its interval over its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.exposure import HEAD, TAIL, UNSEEN, VS_CATALOGUE, VS_INTERACTIONS, ExposureConfig
from recs_platform.stages.reports.quality import QUALITY, QualityConfig
from recs_platform.stages.reports.representation import CALIBRATION, TRAINING, RepresentationConfig
from recs_platform.stages.reports.verdicts import DIMENSION, RATIO, REFERENCE, Verdict

_NO_LIMIT = float("inf")
_REFERENCES = {VS_INTERACTIONS: "its share of interactions", VS_CATALOGUE: "its share of the catalogue"}


class BiasConfig(BaseModel):
    """Limits of all parts; the reasons are beside each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exposure: ExposureConfig = ExposureConfig()
    quality: QualityConfig = QualityConfig()
    representation: RepresentationConfig = RepresentationConfig()


@dataclass(frozen=True)
class Held:
    """What was compared, with what, and in words; a `margin` below 1: the value itself lies beyond the limit."""

    compared: float
    limit: float
    margin: float
    text: str


def hold(row: Mapping[str, Any], verdict: Verdict, config: BiasConfig) -> Held | None:
    """Hold a judged row of `reports.bias` against its limit; None where it has no limit."""
    if row[DIMENSION] == QUALITY:
        least, greatest = config.quality.block_below if verdict == "block" else config.quality.warn_below, _NO_LIMIT
    elif row[DIMENSION] in (TRAINING, CALIBRATION):
        least, greatest = config.representation.limits(row[DIMENSION], row[RATIO] or 0.0)
    else:
        least, greatest = config.exposure.limits(row[c.METRIC], row[c.GROUP])
    is_floor = least > 0
    limit, end = (least, row[c.CI_HIGH]) if is_floor else (greatest, row[c.CI_LOW])
    if limit == _NO_LIMIT or end is None or not row[REFERENCE]:
        return None
    compared = end / row[REFERENCE]
    ratio = row[RATIO]
    margin = ratio / limit if is_floor else limit / ratio if ratio else _NO_LIMIT
    return Held(compared, limit, margin, f"{_measured(row)}; {_comparison(compared, limit, verdict, is_floor)}.")


def _measured(row: Mapping[str, Any]) -> str:
    if row[DIMENSION] == QUALITY:
        return f"{row[c.GROUP]}: {row[c.METRIC]} {row[c.VALUE]:.4f}, {row[RATIO]:.2f} times everyone's"
    if row[DIMENSION] == TRAINING:
        learned = f"{row[c.VALUE]:.1%} of what the ranker learns from"
        return f"{row[c.GROUP]}: {learned}, {row[RATIO]:.2f} times its share of users"
    if row[DIMENSION] == CALIBRATION:
        return f"{row[c.GROUP]}: {row[c.VALUE]:.2%} of listed items chosen, {row[RATIO]:.2f} times what was expected"
    return f"{row[c.GROUP]}: {row[c.VALUE]:.1%} of list places, {row[RATIO]:.2f} times {_REFERENCES[row[c.METRIC]]}"


def _comparison(compared: float, limit: float, verdict: Verdict, is_floor: bool) -> str:
    end, side = ("at most", "below") if is_floor else ("at least", "above")
    consequence = "blocks" if verdict == "block" else "warns"
    return f"{end} {compared:.2f} times (95 %), and only {side} {limit:.2f} {consequence}"


def exposure_limits(config: ExposureConfig) -> str:
    """The limits of tiers in a sentence."""
    return (
        f"A warning needs the whole interval of the {HEAD} above {config.head_ratio_max:g} times its share of "
        f"interactions, of the {TAIL} below {config.tail_ratio_min:g} times that, or of {UNSEEN} below "
        f"{config.unseen_ratio_min:g} times its share of items."
    )


def training_limits(config: RepresentationConfig) -> str:
    """The limit of shares of what is learned from, in a sentence."""
    return (
        f"A warning needs the whole interval below {config.training_ratio_min:g} times the group's share of users; "
        f"groups of fewer than {config.users_min} are not judged."
    )


def calibration_limits(config: RepresentationConfig) -> str:
    """The limits of expected and chosen, in a sentence."""
    return (
        f"A warning needs the whole interval below {config.calibration_ratio_min:g} times or above "
        f"{config.calibration_ratio_max:g} times what was expected; groups of fewer than "
        f"{config.users_min} are not judged."
    )


def quality_limits(config: QualityConfig) -> str:
    """The limits of groups in a sentence."""
    return (
        f"A warning needs the whole interval below {config.warn_below:g} times everyone's; below "
        f"{config.block_below:g} times it blocks, with {config.block_users_min} users or more, but for region, device "
        f"and tenure. Fewer than {config.users_min} are not judged."
    )
