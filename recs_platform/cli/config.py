"""Commands about settings: what is in force, and where each value comes from."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from typing import Annotated

import typer

from recs_platform.cli.house import find_platform
from recs_platform.cli.settings_text import toml_value
from recs_platform.cli.show import put_json, put_table

# A longer value would push the other columns out of sight; JSON has it whole.
_VALUE_CHARACTERS = 40

app = typer.Typer(
    help="Settings: what is in force, and where it comes from.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)


@app.callback()
def group() -> None:
    """Settings: what is in force, and where it comes from."""


@app.command("show")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Every setting: its value in force, where it comes from, and its reason.

    It comes from the default, a line of recs.toml, a variable of the environment, or the config of `recs tune adopt`.

    Example: recs config show --json
    """
    platform = find_platform()
    from recs_platform.pipeline.questions.settings_in_force import settings_in_force

    found = settings_in_force(platform)
    if as_json:
        rows = [
            {
                "name": each.name,
                "value": each.value,
                "default": each.default,
                "from": each.origin,
                "reason": each.reason,
            }
            for each in found
        ]
        put_json({"settings": rows})
        return
    put_table(
        ["setting", "value", "from", "reason"],
        [[each.name, _short(toml_value(each.value)), each.origin, each.reason] for each in found],
    )


def _short(text: str) -> str:
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[: _VALUE_CHARACTERS - 1]}…"
