"""Instruments: what is counted and timed, and what the figures are called. Knows Prometheus' form and nothing else.

Nothing here is global: a process may build and end several runtimes one after the other, as tests do.
"""
