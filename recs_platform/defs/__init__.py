"""The only room, with `definitions`, that imports Dagster. Assets read, call one stage function and write."""
