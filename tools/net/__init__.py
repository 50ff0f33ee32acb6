"""Out into the network, and never into our own: the guard and the client for tools and webhooks."""
