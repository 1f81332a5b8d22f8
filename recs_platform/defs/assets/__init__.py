"""The assets of the eight stages, one module each, assembled in `definitions`. A body reads, calls a stage, writes."""
