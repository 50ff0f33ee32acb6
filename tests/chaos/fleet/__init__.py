"""Several server processes, their clients, and what they survive: cuts, kills, stops, a Redis that is lost, restarts."""
