"""Strangers' files looked into: what they hold, the source that would read them, and what would come of it.

How the files of a known source are read is decided in the modules above this one.
"""
