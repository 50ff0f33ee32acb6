"""A run's numbered facts: what they are, how they are written, folded and kept. No Django in here."""
