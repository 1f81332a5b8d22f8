"""Read-only queries of the command line: why an item is in a list, who a user is, the status of the home."""
