"""Several server processes, their clients, and what they survive: cuts, kills, sleeps, restarts, a lost Redis."""
