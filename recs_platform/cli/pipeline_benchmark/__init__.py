"""`recs benchmark pipeline`: the whole graph on a made-up log, in a home of its own, beside floors and the last run."""
