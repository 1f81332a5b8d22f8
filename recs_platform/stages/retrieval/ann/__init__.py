"""Nearest vectors among the items that may be recommended: building, searching, auditing and renewing an index.

Where vectors come from, and what a user has consumed, is not known here.
"""
