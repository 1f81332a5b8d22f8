"""Questions of people at a terminal: why an item is in a list, who a user is, how the home stands. Read-only."""
