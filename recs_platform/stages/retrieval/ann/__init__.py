"""Nearest vectors among the items that may be recommended: building, searching, auditing and renewing an index."""
