"""Forgetting one person: who they are, what of them lies where, and its removal step by step, with a receipt."""
