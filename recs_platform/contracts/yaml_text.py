"""YAML as plain Python values. Where a value stands in the text is found in `validation_errors`."""

from functools import cache
from typing import Any

import yaml


def read_yaml(text: str) -> Any:  # noqa: ANN401  whatever the text holds
    """The one document of a YAML text, None for an empty one. Raises yaml.YAMLError.

    >>> read_yaml("a: [1, x]")
    {'a': [1, 'x']}
    """
    return yaml.load(text, Loader=_loader())  # noqa: S506  a safe loader, the one in C where it is


@cache
def _loader() -> type[yaml.SafeLoader] | type[yaml.CSafeLoader]:
    """The loader written in C is ten times as fast; not every platform has it."""
    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
