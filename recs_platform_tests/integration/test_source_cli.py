"""One's own files from the command line: rejected with the way out, a source written, checked, landed, ingested."""

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
    assert "2 rows would be accepted, 1 rejected" in out
    assert "'blink' is not known" in out
    assert "log-1.csv" not in err
    assert (home / "sources" / "shop" / "events.sql").exists()
    assert not list((home / "lake").iterdir())
    assert recs(home, "source", "new", "shop", str(mine))[0] == USAGE
    assert recs(home, "source", "new", "contract", str(mine))[0] == USAGE
    assert recs(home, "source", "new", "../shop", str(mine))[0] == USAGE
    checked = json.loads(recs(home, "source", "check", "shop", str(mine), "--json")[1])
    assert (checked["accepted"], checked["refused"]) == (2, 1)
    code, _, err = recs(home, "source", "check", "shop")
    assert (code, "no file of shop lies in landing yet; name a folder" in err) == (USAGE, True)
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


def test_ingest_tells_of_this_ingestion_alone(recs: CommandLine, tmp_path: Path) -> None:
    home, landed = tmp_path / "home", tmp_path / "home" / "landing" / "contract"
    good = {"user_id": "u1", "item_id": "i1", "event_type": "view", "occurred_at": "2024-01-01"}
    write(landed, **{"events-1.jsonl": json.dumps(good) + "\n"})
    code, out, _ = recs(home, "ingest")
    assert (code, "events-1.jsonl" in out, "rejected" in out) == (0, True, False)
    bad = [
        {**good, "event_type": "Viewed"},
        {**good, "event_type": "Viewed", "item_id": "i2"},
        {**good, "item_id": "i3"},
    ]
    write(landed, **{"events-2.jsonl": "".join(json.dumps(row) + "\n" for row in bad), "stock.csv": "x\n"})
    code, out, err = recs(home, "ingest")
    assert code == 0
    assert "events-1.jsonl" not in out
    assert "2 rows of events rejected, unknown_event_type" in out
    assert "(contract/events-2.jsonl:1); 'Viewed': did you mean 'view'?" in out
    assert "left in landing: contract/stock.csv: source 'contract' reads events.*" in err
    assert "check quarantine_rate_vs_history on raw/quarantine warns: contract: 2 of 3 rows were rejected (67%)" in err
    assert recs(home, "ingest")[1] == "no new file in landing\n"
