"""Training and evaluation as of an instant: splits, labelled windows, rankers, the champion, offline metrics."""
