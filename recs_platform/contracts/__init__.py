"""Ground: the words every room shares (columns, tables, manifests, errors). Imports nothing of ours, does no I/O."""
