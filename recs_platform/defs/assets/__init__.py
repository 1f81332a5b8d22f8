"""The assets of the eight stages, of each in a module or more, assembled in `assembly`. A body reads, calls, writes."""
