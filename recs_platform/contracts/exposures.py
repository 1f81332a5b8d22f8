"""How an id of a list names the variants it was made under: `<id>~<experiment>=<variant>`, one pair a layer.

The id is the `request_id` of impressions, so that an exposure goes wherever the event goes: it is durable, ingested
once, forgotten and kept as long as the event itself. `staging.stg_experiment_days` reads it back.
"""

from collections.abc import Mapping

_SIGN = "~"
# SQL that is true of a request_id that names variants.
NAMES_VARIANTS = "regexp_matches(coalesce(request_id, ''), '^[0-9a-f]{32}~')"
NO_VARIANT = "default"
# In place of a variant in the id of a list that two of them drafted; each row of it has the id of its own variant.
INTERLEAVED = "interleaved"


def list_id(key: str, variants: Mapping[str, str]) -> str:
    """The id of a list of that key, made under variants by experiment.

    >>> list_id("0f", {"variety": "varied"}), list_id("0f", {})
    ('0f~variety=varied', '0f')
    """
    return key + "".join(f"{_SIGN}{experiment}={variant}" for experiment, variant in variants.items())


def row_id(list_id: str, team: str) -> str:
    """The id under which a row of a list is shown: that of the variant whose pick it was, where two drafted the list.

    >>> row_id("0f~order=interleaved~page=wide", "new"), row_id("0f~page=wide", "")
    ('0f~order=new~page=wide', '0f~page=wide')
    """
    return list_id.replace(f"={INTERLEAVED}", f"={team}") if team else list_id


def variant_label(variants: Mapping[str, str]) -> str:
    """Variants as an answer names them.

    >>> variant_label({"order": "new", "variety": "varied"}), variant_label({})
    ('order=new,variety=varied', 'default')
    """
    return ",".join(f"{experiment}={variant}" for experiment, variant in variants.items()) or NO_VARIANT
