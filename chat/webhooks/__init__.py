"""Webhooks: what is told to users' own systems, and how both sides sign."""
