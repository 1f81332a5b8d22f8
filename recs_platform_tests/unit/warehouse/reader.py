"""A process that holds the published file open and asks it again and again: `reader.py FILE SECONDS_MAX`."""

import select
import sys
import time

import duckdb

QUESTION = "select count(*), min(value) from raw.events"

if __name__ == "__main__":
    con = duckdb.connect(sys.argv[1], read_only=True)
    answers = {con.execute(QUESTION).fetchone()}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end and not select.select([sys.stdin], [], [], 0.01)[0]:
        answers.add(con.execute(QUESTION).fetchone())
    answers.add(con.execute(QUESTION).fetchone())
    sys.stdout.write(f"{sorted(answers)}\n")
