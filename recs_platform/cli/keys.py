"""Commands about the keys of the HTTP interface."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from typing import TYPE_CHECKING, Annotated, Any

import typer

from recs_platform.cli.house import find_settings
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts.errors import UsageError

if TYPE_CHECKING:
    from recs_platform.serving.keys import ApiKey

app = typer.Typer(help="Keys of the HTTP interface.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="read, write or admin; may be given again.")] = None,
) -> None:
    """Make a key and show it, once: only a hash of it is kept.

    Example: recs keys create shop --scope read --scope write
    """
    home = find_settings().paths
    from recs_platform.serving.keys import Scope, create_api_key

    try:
        scopes = [Scope(each) for each in scope or ["read", "write"]]
    except ValueError:
        raise UsageError(f"scopes are {', '.join(Scope)}, not {', '.join(scope or [])}") from None
    key, token = create_api_key(home, name, scopes)
    say(f"key {key.key_id} ({', '.join(key.scopes)}); it is not shown again")
    typer.echo(token)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Every key: id, name, scopes, when it was made and revoked.

    Example: recs keys list
    """
    home = find_settings().paths
    from recs_platform.serving.keys import list_api_keys

    keys = list_api_keys(home)
    if as_json:
        put_json({"keys": [_shown(key) for key in keys]})
        return
    rows = [(key.key_id, key.name, " ".join(key.scopes), key.created_at, key.revoked_at) for key in keys]
    put_table(("key_id", "name", "scopes", "created_at", "revoked_at"), rows)


def _shown(key: "ApiKey") -> dict[str, Any]:
    """What may be told of a key: neither its salt nor its digest."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": [str(scope) for scope in key.scopes],
        "created_at": key.created_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, see `recs keys list`.")]) -> None:
    """Make a key worthless; servers notice within a second.

    Example: recs keys revoke 0123456789ab
    """
    home = find_settings().paths
    from recs_platform.serving.keys import revoke_api_key

    say(f"key {revoke_api_key(home, key_id).key_id} is revoked")
