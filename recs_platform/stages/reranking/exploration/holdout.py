"""The standing hold-out: users who are shown popular items only, so that what ranking is worth can be seen."""

import polars as pl

from recs_platform.stages.reranking.exploration.draws import keys_of, uniforms


def held_out_users(users: pl.Series, share: float, salt: str) -> pl.Series:
    """Those of `users` that belong to the hold-out, in their order.

    Whether a user belongs follows from their id and the salt alone; a greater share keeps all of a smaller one.
    """
    if not share:
        return users.clear()
    return users.filter(pl.Series(uniforms(keys_of(users, salt), 1)[:, 0] < share))
