"""Where breakers, buckets and places are remembered: in this process, or in Redis for all of them."""
