"""Off-policy evaluation of a home's lists on its own log. The numbers are in `evaluation.off_policy`."""
