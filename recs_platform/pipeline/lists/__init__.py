"""Lists as of an instant: candidates scored by the champion, re-ranked, filled and explained."""
