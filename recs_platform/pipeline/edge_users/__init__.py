"""Made-up users at the edges of what lists are made for: who they are, and what the as-of would give them."""
