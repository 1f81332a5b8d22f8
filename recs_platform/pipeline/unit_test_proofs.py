"""Which models' given/expect tests have passed in a home: they depend on code alone, so a proof holds until it changes.

The tests are run in `warehouse.unit_tests`; `recs sql-test` runs them whatever was proved.
"""

import json
from typing import cast

from recs_platform.contracts.manifests import content_key
from recs_platform.lake.disk import replace_text
from recs_platform.pipeline.build_records import code_version
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.models import Model
from recs_platform.warehouse.unit_tests import UnitTestResult, run_unit_test

PROOFS_FILE = "unit_test_proofs.json"
_MADE_BY, _PASSED = "made_by", "passed"
_found: dict[str, list[UnitTestResult]] = {}


def prove(platform: Platform, model: Model) -> list[UnitTestResult]:
    """Results of a model's given/expect tests, run once for its SQL, its yml, the code and the libraries.

    Only passes are kept in the home; a test that fails is run again by the next process.
    """
    made_by = code_version(platform)
    proof = content_key({"model": model.hash, "tests": repr(model.unit_tests), _MADE_BY: made_by})
    if proof not in _found:
        known = _read(platform, made_by)
        if proof in known:
            _found[proof] = [UnitTestResult(test.name, (), ()) for test in model.unit_tests]
        else:
            _found[proof] = _run(platform, model)
            if all(result.passed for result in _found[proof]):
                platform.home.artifacts.mkdir(parents=True, exist_ok=True)
                text = json.dumps({_MADE_BY: made_by, _PASSED: sorted({*known, proof})})
                replace_text(platform.home.artifacts / PROOFS_FILE, f"{text}\n")
    return _found[proof]


def _run(platform: Platform, model: Model) -> list[UnitTestResult]:
    # A second thread takes half as much again for a handful of rows.
    with platform.on_threads(1).connection() as con:
        return [run_unit_test(con, platform.models, model, test) for test in model.unit_tests]


def _read(platform: Platform, made_by: str) -> list[str]:
    """Proofs of this code; none where the file is absent, of other code or broken: tests are run again."""
    try:
        kept = json.loads((platform.home.artifacts / PROOFS_FILE).read_text(encoding="utf-8"))
        return [str(proof) for proof in cast("list[object]", kept[_PASSED])] if kept[_MADE_BY] == made_by else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
