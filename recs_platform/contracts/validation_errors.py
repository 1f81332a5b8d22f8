"""What pydantic found wrong, as one sentence for a person: field, value that came, what is allowed, nearest right name.

Where a file was read, its line is found too. What is right is said by the models themselves.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from recs_platform.contracts.spelling import did_you_mean

_VALUE_CHARACTERS = 80
_BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
_OUT_OF_BOUNDS = frozenset({"greater_than_equal", "greater_than", "less_than_equal", "less_than"})
# By the beginning of a fault's type; the longest lists of names that are worth reading.
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string_type": "text",
          "finite": "a finite number", "dict": "a table of names", "model": "a table of settings",
          "tuple": "a list", "list": "a list"}  # fmt: skip
_NAMES_MAX = 15
Location = Sequence[int | str]


def first_fault(error: ValidationError, model: type[BaseModel]) -> tuple[Location, str]:
    """Where the first fault is, and a sentence with the field, the value that came and what is allowed.

    A misspelled name goes before what is missing for its sake.
    """
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    return first["loc"], sentence(first, model)


def sentence(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """One fault as a sentence: `k = 0: it must be at least 1 and at most 1000`."""
    loc = fault["loc"]
    # What pydantic adds for a key, or a way to read a value, is no name of the file.
    name = ".".join(str(part) for part in loc if "[" not in str(part))
    if fault["type"] == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        named = f"; there are: {', '.join(known)}" if len(known) <= _NAMES_MAX else ""
        return f"{name} is no such field{did_you_mean(str(loc[-1]), known) or named}"
    if fault["type"] == "missing":
        return f"{name} is missing"
    field = _field_at(model, loc)
    text = fault["msg"].removeprefix("Value error, ")
    message = _expected(fault["type"], "" if field is None else _range(field)) or _plain(text)
    return f"{name} = {_shown(fault['input'])}: {message}" if loc else message


def _expected(kind: str, allowed: str) -> str:
    """What a value must be, for the faults of a type or a range; empty for others."""
    if kind in _OUT_OF_BOUNDS and allowed:
        return f"it must be {allowed}"
    wanted = next((words for beginning, words in _KINDS.items() if kind.startswith(beginning)), "")
    return f"it must be {wanted}{allowed and f', {allowed}'}" if wanted else ""


def _plain(text: str) -> str:
    """What pydantic says of a value, with the same words as the rest: `Input should be 'a'` is `it must be 'a'`."""
    return re.sub(r"^\w+ should\b", "it must", text[:1].lower() + text[1:])


def line_of(text: str, loc: Location) -> int | None:
    """The line of a yml, from 1, at which a field stands, or what holds it; None where the text is not yml."""
    try:
        node = cast("object", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]
    except yaml.YAMLError:
        return None
    line = None
    for part in loc:
        found = next((below for name, below in _below(node) if name == part), None)
        if found is None:
            break
        line, node = found
    return line


def _below(node: object) -> Iterator[tuple[int | str, tuple[int, object]]]:
    """What a node of a yml holds: name or place, with its line and value."""
    if isinstance(node, yaml.MappingNode):
        pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
        for key, value in pairs:
            yield str(key.value), (key.start_mark.line + 1, value)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(cast("list[yaml.Node]", node.value)):
            yield place, (value.start_mark.line + 1, value)


def _fields_at(model: type[BaseModel], loc: Location) -> list[str]:
    for part in loc:
        field = model.model_fields.get(str(part))
        below = [] if field is None else list(_models_in(field.annotation))
        if below:
            model = below[0]
    return list(model.model_fields)


def _field_at(model: type[BaseModel], loc: Location) -> FieldInfo | None:
    found: FieldInfo | None = None
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        found, below = field, list(_models_in(field.annotation))
        model = below[0] if below else model
    return found


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _range(field: FieldInfo) -> str:
    """The bounds of a field in words, empty where it has none."""
    bounds = [(words, getattr(rule, name, None)) for rule in field.metadata for name, words in _BOUNDS.items()]
    return " and ".join(words.format(value) for words, value in bounds if value is not None)


def _shown(value: Any) -> str:  # noqa: ANN401  whatever was read
    text = repr(value)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[: _VALUE_CHARACTERS - 1]}…"
