"""Candidates with the features that rankers read, a block of users at a time: for windows and for lists alike."""
