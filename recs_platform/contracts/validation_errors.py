"""What pydantic found wrong, as one sentence for a person: field, value that came, what is allowed, nearest right name.

Where a file was read, its line is found too. What is right is said by the models themselves.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from recs_platform.contracts.spelling import did_you_mean

_VALUE_CHARACTERS = 80
_BOUNDS = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
Location = Sequence[int | str]


def first_fault(error: ValidationError, model: type[BaseModel]) -> tuple[Location, str]:
    """Where the first fault is, and a sentence with the field, the value that came and what is allowed.

    A misspelled name goes before what is missing for its sake.
    """
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    return first["loc"], sentence(first, model)


def sentence(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """One fault as a sentence: `k = 0: input should be greater than or equal to 1 (at least 1 and at most 1000)`."""
    loc, name = fault["loc"], ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        return f"{name} is no such field{did_you_mean(str(loc[-1]), known) or '; there are: ' + ', '.join(known)}"
    text = fault["msg"].removeprefix("Value error, ")
    message = text[:1].lower() + text[1:]
    if not loc:
        return message
    if fault["type"] == "missing":
        return f"{name} is missing"
    field = _field_at(model, loc)
    allowed = _range(field) if field is not None else ""
    return f"{name} = {_shown(fault['input'])}: {message}{allowed and f' ({allowed})'}"


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
