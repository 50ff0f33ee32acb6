"""Measures how fast the server passes answers on, next to a bare relay in the same run. Start with `bench/run.py`."""
