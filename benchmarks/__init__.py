"""Measurements and trials that take minutes: real data, kills, readers, speed. Nothing of the platform lives here."""
