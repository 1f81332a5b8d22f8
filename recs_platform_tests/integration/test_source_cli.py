"""One's own files from the command line: refused with the way out, a source written, checked, landed, taken in."""

import json
from pathlib import Path

from recs_platform_tests.homes import CommandLine
from recs_platform_tests.unit.stages.events.profiling.exports import write

USAGE = 2
ROWS = "timestamp,userId,sku,action\n1706745600,u1,s1,pageview\n1706745601,u2,s1,Bestellung\n1706745602,u2,s2,blink\n"


def test_from_strange_files_to_events(recs: CommandLine, tmp_path: Path) -> None:
    home, mine = tmp_path / "home", write(tmp_path / "mine", **{"log-1.csv": ROWS, "_SUCCESS": ""})
    code, _, err = recs(home, "land", "contract", str(mine))
    assert code == USAGE
    assert "recs source new NAME" in err
    code, out, err = recs(home, "source", "new", "shop", str(mine))
    assert code == 0
    assert "2 rows would be accepted, 1 refused" in out
    assert "'blink' is not known" in out
    assert "log-1.csv" not in err
    assert (home / "sources" / "shop" / "events.sql").exists()
    assert not list((home / "lake").iterdir())
    assert recs(home, "source", "new", "shop", str(mine))[0] == USAGE
    assert recs(home, "source", "new", "contract", str(mine))[0] == USAGE
    assert recs(home, "source", "new", "../shop", str(mine))[0] == USAGE
    checked = json.loads(recs(home, "source", "check", "shop", str(mine), "--json")[1])
    assert (checked["accepted"], checked["refused"]) == (2, 1)
    assert checked["refusals"][0]["example"] == "shop/log-1.csv:4"
    assert recs(home, "land", "shop", str(mine))[0] == 0
    assert recs(home, "source", "check", "shop")[0] == 0
    code, out, _ = recs(home, "ingest")
    assert code == 0
    assert "shop/log-1.csv" in out


def test_the_list_names_the_broken_and_no_command_stops(recs: CommandLine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home / "sources" / "odd", **{"source.yml": "name: odd\ndescripton: d\n"})
    listed = json.loads(recs(home, "source", "list", "--json")[1])
    assert "movielens" in [each["source"] for each in listed["sources"]]
    assert "source.yml:2: descripton is no such field; did you mean 'description'" in listed["left_out"]["odd"]
    code, _, err = recs(home, "source", "list")
    assert (code, "left out: odd" in err) == (0, True)
    assert recs(home, "status")[0] == 0
    code, _, err = recs(home, "source", "check", "odd")
    assert (code, "left out" in err) == (USAGE, True)
