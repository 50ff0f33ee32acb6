"""Inside the processes of these programs, and of no others."""
