"""How an id of a list names the variants it was made under: `<id>~<experiment>=<variant>`, one pair a layer.

The id is the `request_id` of impressions, so that an exposure goes wherever the event goes: it is durable, ingested
once, forgotten and kept as long as the event itself. `staging.stg_experiment_days` reads it back.
"""

from collections.abc import Mapping

_SIGN = "~"
# SQL that is true of a request_id that names variants.
NAMES_VARIANTS = "regexp_matches(coalesce(request_id, ''), '^[0-9a-f]{32}~')"
NO_VARIANT = "default"


def list_id(key: str, variants: Mapping[str, str]) -> str:
    """The id of a list of that key, made under variants by experiment.

    >>> list_id("0f", {"variety": "varied"}), list_id("0f", {})
    ('0f~variety=varied', '0f')
    """
    return key + "".join(f"{_SIGN}{experiment}={variant}" for experiment, variant in variants.items())


def variant_label(variants: Mapping[str, str]) -> str:
    """Variants as an answer names them.

    >>> variant_label({"order": "new", "variety": "varied"}), variant_label({})
    ('order=new,variety=varied', 'default')
    """
    return ",".join(f"{experiment}={variant}" for experiment, variant in variants.items()) or NO_VARIANT
