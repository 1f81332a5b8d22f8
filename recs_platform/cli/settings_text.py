"""The settings as text, made from their fields: the commented `recs.toml` of a new home, and the table of the docs.

What is in force in a home is found in `pipeline.questions.settings_in_force`.
"""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import PurePath
from typing import Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from recs_platform.settings import Settings, setting_fields

_Setting = tuple[str, FieldInfo]
# Named by the environment alone: a file cannot say where it lies.
_NOT_IN_FILE = "home"
# A default that is longer does not push the reasons of its group to the right.
_ALIGNED_CHARACTERS = 48
_HEAD = """\
# Settings of this home. A line `# name = value` shows a default: take the # away and change the value.
# What has no default of its own is shown as `# unset: name = value`, with an example.
# Any of them can also be given as RECS_<NAME>, with __ for each dot, such as RECS_PUBLISH__AS_OFS_MAX; lists and
# tables are then written as JSON. The environment goes before this file. `recs config show` prints what is in force.
"""


def settings_toml() -> str:
    """A `recs.toml` that changes nothing: a comment a setting, with its default, reason and range."""
    groups: dict[str, list[_Setting]] = {}
    for name, field in _settings():
        groups.setdefault(name.rpartition(".")[0], []).append((name, field))
    return _HEAD + "".join(f"\n{_about(group)}{''.join(_aligned(settings))}" for group, settings in groups.items())


def settings_table() -> str:
    """The same as a table of Markdown."""
    rows = [
        f"| `{name}` | {_default_text(field)} | {_cell(_allowed(field))} | {_cell(_reason(field))} |\n"
        for name, field in _settings()
    ]
    return "| setting | default | allowed | meaning |\n|---|---|---|---|\n" + "".join(rows)


def toml_value(value: object) -> str:
    """A value as TOML writes it, `unset` where there is none.

    >>> toml_value(True), toml_value(5.0), toml_value(("a",)), toml_value({"x": {"y": 1}}), toml_value(None)
    ('true', '5.0', '["a"]', '{x = {y = 1}}', 'unset')
    """
    match value:
        case None:
            return "unset"
        case Mapping():
            pairs = cast("Mapping[str, object]", value).items()
            return f"{{{', '.join(f'{name} = {toml_value(part)}' for name, part in pairs)}}}"
        case list() | tuple():
            return f"[{', '.join(map(toml_value, cast('Sequence[object]', value)))}]"
        case bool() | str() | PurePath():
            return json.dumps(value if isinstance(value, bool) else str(value), ensure_ascii=False)
        case date():
            return value.isoformat()
        case _:
            return repr(value)


def _settings() -> Iterator[_Setting]:
    return ((name, field) for name, field in setting_fields() if name != _NOT_IN_FILE)


def _about(group: str) -> str:
    """What a group of settings decides, as a comment; nothing of those at the top."""
    model: type[BaseModel] = Settings
    for name in filter(None, group.split(".")):
        model = cast("type[BaseModel]", model.model_fields[name].annotation)
    return f"# {(inspect.getdoc(model) or group).splitlines()[0]}\n" if group else ""


def _aligned(settings: Sequence[_Setting]) -> Iterator[str]:
    """Lines of settings of one group, their reasons below each other."""
    shown = [_shown(name, field) for name, field in settings]
    width = max((len(line) for line in shown if len(line) <= _ALIGNED_CHARACTERS), default=0)
    for line, (_, field) in zip(shown, settings, strict=True):
        allowed = _allowed(field)
        yield f"{line.ljust(width)}  # {_reason(field)}{allowed and f' ({allowed})'}\n"


def _shown(name: str, field: FieldInfo) -> str:
    if _is_unset(field):
        return f"# unset: {name} = {toml_value(_example(field))}"
    return f"# {name} = {toml_value(field.default)}"


def _is_unset(field: FieldInfo) -> bool:
    """Whether the default is nothing, or depends on the machine."""
    return field.default_factory is not None or field.default is None


def _default_text(field: FieldInfo) -> str:
    return "unset" if _is_unset(field) else f"`{toml_value(field.default)}`"


def _reason(field: FieldInfo) -> str:
    example = _example(field)
    shows_example = example is not None and not _is_unset(field)
    return f"{field.description}{f', such as {toml_value(example)}' if shows_example else ''}"


def _example(field: FieldInfo) -> object:
    return next(iter(field.examples or ()), None)


def _allowed(field: FieldInfo) -> str:
    """The range, or the values there are to choose from; empty where the type says it."""
    return _range(field) or " or ".join(_choices(field.annotation))


def _range(field: FieldInfo) -> str:
    """Both ends of a number, which every number has."""
    words = {"ge": "{:,}", "gt": "above {:,}", "le": "to {:,}", "lt": "to below {:,}"}
    bounds = [(text, getattr(rule, name, None)) for rule in field.metadata for name, text in words.items()]
    return " ".join(text.format(end) for text, end in bounds if end is not None)


def _choices(annotation: object) -> Iterator[str]:
    for part in get_args(annotation):
        if get_origin(annotation) is Literal:
            yield toml_value(part)
        else:
            yield from _choices(part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
