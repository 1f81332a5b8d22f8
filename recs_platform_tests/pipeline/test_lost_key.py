"""Where the key of pseudonyms is lost nobody can be found, which says nothing of who is there."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.lake.forget_requests import add_request, waiting_requests
from recs_platform.pipeline.forgetting.forget import forget_waiting
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions import find_user
from recs_platform_tests.homes import land_contract, platform_at, take_in


@pytest.fixture
def keyless(tmp_path: Path) -> Platform:
    platform = platform_at(tmp_path / "home", privacy={"pseudonymize": True})
    land_contract(platform, "users.jsonl", [{"user_id": "u1"}])
    take_in(platform)
    platform.home.pseudonym_key.unlink()
    return platform


def test_requests_to_be_forgotten_wait_for_the_key(keyless: Platform):
    """They were dropped as of people unknown."""
    add_request(keyless.home, "u1")
    receipts, (said,) = forget_waiting(keyless, now=datetime.now(UTC), say=lambda _: None)
    assert receipts == []
    assert "the key was lost" in said
    assert len(waiting_requests(keyless.home)) == 1


def test_nobody_is_said_to_be_unknown(keyless: Platform):
    with pytest.raises(UsageError, match="the key was lost"):
        find_user.names_in(keyless, "u1")
