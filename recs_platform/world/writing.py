"""Texts of items: words with meanings near the categories, titles, texts, tags, names. The rest is in `catalogue`."""

import numpy as np
import polars as pl

from recs_platform.world.catalogue import CATEGORIES, NEVER_MS, Catalogue, item_ids
from recs_platform.world.config import TASTE_DIMENSIONS, WorldConfig
from recs_platform.world.draws import Floats, Vectors, choose, choose_in_rows, unit_noise
from recs_platform.world.identifiers import known, named

LANGUAGES = ("en", "de", "fr", "es")
_WORDS = {
    "cooking": "oven spice broth knife dough pepper market supper",
    "travel": "harbour border ticket hostel desert island compass bridge",
    "music": "chorus violin tempo vinyl stage rhythm melody drum",
    "film": "camera scene director screen villain premiere script reel",
    "science": "quantum cell telescope reactor fossil theory sample orbit",
    "sport": "league sprint goal coach stadium record racket summit",
    "garden": "seed orchard compost tulip hedge greenhouse soil lawn",
    "games": "quest dice arcade puzzle controller dungeon tournament pixel",
    "fashion": "linen runway denim tailor silk boots collar pattern",
    "finance": "bond budget pension ledger inflation savings broker tax",
    "health": "sleep heart vitamin therapy posture immune breath clinic",
    "history": "empire castle treaty archive railway plague revolt coin",
}
_PLAIN = "guide story notes secret week first small great modern old hidden simple long quiet new last"
_FIRST_NAMES = ("Ada", "Boris", "Chidi", "Dina", "Emre", "Fay", "Goro", "Hana", "Ivo", "Juno", "Kofi", "Lena")
_LAST_NAMES = (
    "Abara",
    "Brandt",
    "Costa",
    "Dubois",
    "Endo",
    "Falk",
    "Gupta",
    "Haas",
    "Ito",
    "Jansen",
    "Klein",
    "Lima",
    "Mori",
)
_TITLE_WORDS, _BODY_WORDS, _TAGS = 4, 40, 3
_MEANING = 4.0


def items_table(config: WorldConfig, catalogue: Catalogue) -> pl.DataFrame:
    """One row an item as the shop exports it, by id.

    Columns iid, text {headline, body}, topic, labels, maker, lang, cents, online_ms, offline_ms.
    """
    rng = config.generator("writing")
    words, vectors = _vocabulary(rng, catalogue)
    likelihood = np.exp(_MEANING * np.einsum("nd,wd->nw", catalogue.vectors, vectors, dtype=np.float64))
    n = config.items
    return pl.DataFrame(
        {
            "iid": item_ids(config, catalogue),
            "text": pl.DataFrame(
                {
                    "headline": _labels(rng, words, likelihood, _TITLE_WORDS).list.join(" ").str.to_titlecase(),
                    "body": _sentences(rng, words, likelihood, _BODY_WORDS),
                }
            ).to_struct(),
            "topic": named(CATEGORIES, catalogue.category),
            "labels": _labels(rng, words, likelihood, _TAGS),
            "maker": named(creator_names(int(catalogue.creator.max()) + 1), catalogue.creator),
            "lang": named(LANGUAGES, choose(rng, np.array([0.7, 0.1, 0.1, 0.1]), n)),
            "cents": known(catalogue.price_cents, catalogue.price_cents > 0),
            "online_ms": catalogue.published_ms,
            "offline_ms": known(catalogue.until_ms, catalogue.until_ms < NEVER_MS),
        }
    )


def _vocabulary(rng: np.random.Generator, catalogue: Catalogue) -> tuple[pl.Series, Vectors]:
    """Words and their meanings: a category's words lie around its center, plain words anywhere."""
    own = [word for category in CATEGORIES for word in _WORDS[category].split()]
    center = np.repeat(catalogue.centers, [len(_WORDS[category].split()) for category in CATEGORIES], axis=0)
    plain = _PLAIN.split()
    noise = unit_noise(rng, len(own) + len(plain), TASTE_DIMENSIONS)
    meaning = np.concatenate([0.8 * center + 0.6 * noise[: len(own)], 0.3 * noise[len(own) :]])
    return pl.Series("word", own + plain), meaning.astype(np.float32)


def _sentences(rng: np.random.Generator, words: pl.Series, likelihood: Floats, length: int) -> pl.Series:
    """Words in proportion to their likelihood for the item, with blanks between; String (items,)."""
    items = np.repeat(np.arange(len(likelihood), dtype=np.int32), length)
    codes = choose_in_rows(items, rng.random(len(items)), likelihood)
    return words.gather(codes).reshape((len(likelihood), length)).arr.join(" ")


def _labels(rng: np.random.Generator, words: pl.Series, likelihood: Floats, count: int) -> pl.Series:
    """Distinct words, likelier ones more often; List(String) (items,)."""
    waiting = rng.standard_exponential(likelihood.shape) / likelihood
    first = np.argsort(waiting, axis=1, kind="stable")[:, :count]
    return words.gather(first.ravel()).reshape((len(likelihood), count)).arr.to_list()


def creator_names(n: int) -> list[str]:
    """`n` distinct names.

    >>> creator_names(2)
    ['Ada Abara', 'Boris Brandt']
    """
    firsts, lasts = len(_FIRST_NAMES), len(_LAST_NAMES)  # coprime, so that both may advance at once
    rounds = ("" if code < firsts * lasts else f" {1 + code // (firsts * lasts)}" for code in range(n))
    return [f"{_FIRST_NAMES[code % firsts]} {_LAST_NAMES[code % lasts]}{more}" for code, more in enumerate(rounds)]
