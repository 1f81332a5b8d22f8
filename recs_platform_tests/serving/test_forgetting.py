"""DELETE of a user: served as a stranger from the next request on, also after a restart, and queued for the rest."""

from pathlib import Path
from typing import Any

from recs_platform.lake.forget_requests import waiting_users
from recs_platform.stages.events.forgotten import add_tombstones
from recs_platform_tests.serving.served import Ask, Served
from recs_platform_tests.unit.stages.releases.bundles import AS_OF

LIST = "/v1/users/u1/recommendations"


def test_a_user_who_is_deleted_is_a_stranger_at_once(tmp_path: Path) -> None:
    served = Served(tmp_path)

    async def items(ask: Ask, user: str) -> list[dict[str, Any]]:
        return (await ask("GET", f"/v1/users/{user}/recommendations")).json()["items"]

    async def delete(ask: Ask) -> None:
        stranger = await items(ask, "stranger")
        page = await ask("GET", LIST, params={"k": 1})
        assert await items(ask, "u1") != stranger
        assert (await ask("DELETE", "/v1/users/u1")).status_code == 202
        assert (await ask("DELETE", "/v1/users/u1")).status_code == 202
        assert await items(ask, "u1") == stranger
        event = {"user_id": "u1", "item_id": stranger[0]["item_id"], "event_type": "click"}
        assert (await ask("POST", "/v1/events", json=event)).status_code == 202
        assert await items(ask, "u1") == stranger
        cursor = page.json()["next_cursor"]
        assert (await ask("GET", LIST, params={"cursor": cursor})).status_code == 410

    async def ask_again(ask: Ask) -> None:
        assert await items(ask, "u1") == await items(ask, "stranger")

    served.run(delete)
    assert waiting_users(served.home, print) == ["u1"]
    Served(tmp_path).run(ask_again)


def test_whom_a_command_forgets_the_server_forgets(tmp_path: Path) -> None:
    served = Served(tmp_path, learning=True)

    async def test(ask: Ask) -> None:
        for user in ("u1", "u2"):
            event = {"user_id": user, "item_id": "d", "event_type": "click"}
            assert (await ask("POST", "/v1/events", json=event)).status_code == 202
            assert (await ask("GET", f"/v1/users/{user}/recommendations")).status_code == 200
        add_tombstones(served.home, ["u1", "somebody"], AS_OF)
        await served.application._look_beside()
        assert served.application.serving.users() == {"u2"}
        assert served.application.serving.forgotten == {"u1"}

    served.run(test)
