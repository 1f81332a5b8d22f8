"""An address that nobody can be told at is refused when settings are read, not when a run fails at night."""

import pytest
from pydantic import ValidationError

from recs_platform.contracts.setting_groups import NotifySettings


@pytest.mark.parametrize("address", ["ftp://x", "http://", "https:///hooks", "chat.example.org", "http:// x"])
def test_an_address_without_a_host_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="webhook_url"):
        NotifySettings(webhook_url=address)


def test_an_address_with_a_port_and_a_path_is_taken() -> None:
    assert NotifySettings(webhook_url="http://127.0.0.1:9/hooks").webhook_url == "http://127.0.0.1:9/hooks"
