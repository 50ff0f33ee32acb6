"""The audit log as a chain: what is appended, how it is sealed, how it is written out, and how it is verified."""
