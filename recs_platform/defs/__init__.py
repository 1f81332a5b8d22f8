"""The only package, with `definitions`, that imports Dagster. Assets read, call one stage function and write."""
