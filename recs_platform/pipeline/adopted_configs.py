"""Which tuned config of a kind is in force: `artifacts/<kind>/adopted` names its version, if any.

What a config holds is known to `retrieval.tuned_configs` and `training.ranker_configs`.
"""

from pathlib import Path

from recs_platform.lake.disk import replace_text

_ADOPTED_FILE = "adopted"


def adopted(root: Path, kind: str) -> str | None:
    """Version of the config in force, None where it is the defaults."""
    try:
        return (root / kind / _ADOPTED_FILE).read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def put_in_force(root: Path, kind: str, version: str) -> None:
    """Let runs use that config."""
    replace_text(root / kind / _ADOPTED_FILE, version + "\n")


def put_out_of_force(root: Path, kind: str) -> str | None:
    """Let runs use the defaults; the version that was in force."""
    version = adopted(root, kind)
    (root / kind / _ADOPTED_FILE).unlink(missing_ok=True)
    return version
