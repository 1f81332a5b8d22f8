"""Users: tastes, activity, group, sign-up and attributes, with gaps. Visits are in `sessions`, acts in `feedback`."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from recs_platform.world.catalogue import CATEGORIES, Catalogue
from recs_platform.world.config import DAY_MS, HOUR_MS, WorldConfig
from recs_platform.world.draws import Codes, Flags, Floats, Instants, Vectors, choose, choose_in_rows, unit_rows
from recs_platform.world.groups import device_tilts, draw_groups
from recs_platform.world.identifiers import named, numbered

COUNTRIES = ("DE", "US", "IN", "BR", "JP", "NG")
REGIONS = tuple(f"{country}-{region}" for country in COUNTRIES for region in ("1", "2", "3"))
AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55+")
GENDERS = ("female", "male", "other")
PLANS = ("free", "basic", "premium")
DEVICES = ("mobile", "desktop", "tablet")
_DEVICE_SHARES = np.array([0.6, 0.3, 0.1])
_IDOLS = 3
_CONSENT_SHARE = 0.92


@dataclass(frozen=True)
class Population:
    """All users; a row number is a user's code. Codes index the tuples above; -1 where the profile lacks it."""

    taste: Vectors
    category_weights: Floats
    signed_up_ms: Instants
    activity: Floats
    group: Codes
    is_brand_new: Flags
    region: Codes
    age_band: Codes
    gender: Codes
    plan: Codes
    has_consent: Flags
    device: Codes
    is_known: Flags  # (users, 4): whether the profile has region, age band, gender, plan


def draw_population(config: WorldConfig, catalogue: Catalogue) -> Population:
    """Draw the users. A taste is the direction of a few items the user would love, of one to three categories."""
    rng = config.generator("population")
    n = config.users
    group = draw_groups(config)
    age_band = choose(rng, np.array([0.2, 0.3, 0.2, 0.2, 0.1]), n)
    leaning = np.exp(0.6 * rng.standard_normal((len(AGE_BANDS), len(CATEGORIES))))
    weights = rng.gamma(0.25, size=(n, len(CATEGORIES))) * leaning[age_band] + 1e-4
    weights /= weights.sum(axis=1, keepdims=True)
    signed_up_ms, is_brand_new = _draw_sign_up(config, rng)
    return Population(
        taste=_draw_taste(rng, weights, catalogue),
        category_weights=weights,
        signed_up_ms=signed_up_ms,
        activity=np.where(is_brand_new, 0.0, np.exp(0.8 * rng.standard_normal(n))),
        group=group,
        is_brand_new=is_brand_new,
        region=choose(rng, rng.uniform(0.3, 1.7, len(REGIONS)), n),
        age_band=age_band,
        gender=choose(rng, np.array([0.48, 0.48, 0.04]), n),
        plan=choose(rng, np.array([0.7, 0.2, 0.1]), n),
        has_consent=rng.random(n) < _CONSENT_SHARE,
        device=choose_in_rows(group, rng.random(n), device_tilts(config, DEVICES) * _DEVICE_SHARES),
        is_known=rng.random((n, 4)) >= config.missing_share,
    )


def _draw_taste(rng: np.random.Generator, weights: Floats, catalogue: Catalogue) -> Vectors:
    n = len(weights)
    users = np.repeat(np.arange(n, dtype=np.int32), _IDOLS)
    categories = choose_in_rows(users, rng.random(n * _IDOLS), weights)
    first, after = catalogue.category_bounds[categories], catalogue.category_bounds[categories + 1]
    idols = first + (rng.random(n * _IDOLS) * (after - first)).astype(np.int64)
    return unit_rows(catalogue.vectors[idols].reshape(n, _IDOLS, -1).sum(axis=1))


def _draw_sign_up(config: WorldConfig, rng: np.random.Generator) -> tuple[Instants, Flags]:
    """Sign-up instants, and who signs up in the last day without doing anything yet (three at least)."""
    n = config.users
    before = config.start_ms - (DAY_MS * rng.exponential(200.0, n)).astype(np.int64) - 1
    during = config.start_ms + (rng.random(n) * (config.days - 1) * DAY_MS).astype(np.int64)
    signed_up = np.where(rng.random(n) < config.new_user_share, during, before)
    is_brand_new = np.zeros(n, dtype=np.bool_)
    is_brand_new[rng.choice(n, max(3, n // 500), replace=False)] = True
    last_day = config.end_ms - (rng.uniform(1, 24, n) * HOUR_MS).astype(np.int64)
    return np.where(is_brand_new, last_day, signed_up), is_brand_new


def user_ids(config: WorldConfig) -> pl.Series:
    """Public ids by code; String (users,)."""
    return numbered(f"u{config.tag}-", np.arange(config.users))


def users_table(config: WorldConfig, population: Population) -> pl.DataFrame:
    """One row a user as the tracker exports it: uid, joined_ms, geo, profile, consent; in order of code."""
    region = np.where(population.is_known[:, 0], population.region, -1)
    return pl.DataFrame(
        {
            "uid": user_ids(config),
            "joined_ms": population.signed_up_ms,
            "geo": pl.DataFrame(
                {
                    "country": named(COUNTRIES, np.where(region >= 0, region // 3, -1)),
                    "region": named(REGIONS, region),
                }
            ).to_struct(),
            "profile": pl.DataFrame(
                {
                    "age": named(AGE_BANDS, np.where(population.is_known[:, 1], population.age_band, -1)),
                    "sex": named(GENDERS, np.where(population.is_known[:, 2], population.gender, -1)),
                    "plan": named(PLANS, np.where(population.is_known[:, 3], population.plan, -1)),
                }
            ).to_struct(),
            "consent": pl.DataFrame({"personalization": population.has_consent}).to_struct(),
        }
    )
