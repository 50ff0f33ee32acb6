"""Out into the network, and never into our own: the guard for tools and webhooks, and the client of the tools."""
