"""Commands about the keys of the HTTP interface."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from typing import Annotated

import typer

from recs_platform.cli.house import find_settings
from recs_platform.cli.show import put_table, say
from recs_platform.contracts.errors import UsageError

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
def list_keys() -> None:
    """Every key: id, name, scopes, when it was made and revoked.

    Example: recs keys list
    """
    home = find_settings().paths
    from recs_platform.serving.keys import list_api_keys

    rows = [(key.key_id, key.name, " ".join(key.scopes), key.created_at, key.revoked_at) for key in list_api_keys(home)]
    put_table(("key_id", "name", "scopes", "created_at", "revoked_at"), rows)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, see `recs keys list`.")]) -> None:
    """Make a key worthless; servers notice within a second.

    Example: recs keys revoke 0123456789ab
    """
    home = find_settings().paths
    from recs_platform.serving.keys import revoke_api_key

    say(f"key {revoke_api_key(home, key_id).key_id} is revoked")
