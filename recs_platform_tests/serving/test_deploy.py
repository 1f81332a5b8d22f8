"""The files of `deploy/` name what there is: paths of the checkout, commands, options and settings."""

import re
from configparser import ConfigParser
from pathlib import Path

from recs_platform.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def dockerfile() -> list[tuple[str, str]]:
    """Instructions and what follows each, with continued lines put together."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_made_of_what_the_checkout_holds() -> None:
    told = dockerfile()
    assert told[0][0] == "FROM"
    copied = [name for word, rest in told if word == "COPY" for name in rest.split()[:-1]]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    (user,) = [rest for word, rest in told if word == "USER"]
    assert user.isdigit()  # so that a cluster can see that it is not root
    assert f"--uid {user} " in (DEPLOY / "Dockerfile").read_text()
    assert told[-1] == ("CMD", '["recs", "serve", "--host", "0.0.0.0", "--port", "8080"]')


def test_the_unit_starts_the_server_with_settings_that_exist_and_little_power() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "recs-serve.service")
    service = unit["Service"]
    assert re.fullmatch(r"/\S+/recs serve --host 127\.0\.0\.1 --port \d+", service["ExecStart"])
    named = re.findall(r"^Environment=RECS_(\w+)=", (DEPLOY / "recs-serve.service").read_text(), re.MULTILINE)
    assert named == ["HOME", "SERVING__REQUIRE_KEYS"]
    assert "require_keys" in type(Settings(home=ROOT / "nowhere").serving).model_fields
    strict = ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectKernelModules", "RestrictSUIDSGID")
    assert {service[name] for name in strict} == {"true"}
    assert (service["ProtectSystem"], service["ReadWritePaths"]) == ("strict", "/var/lib/recs")
    assert int(service["TimeoutStopSec"]) > 5  # which a graceful stop may take
    assert int(service["LimitNOFILE"]) > 4_500  # two thousand connections, and as many that are told to go away
