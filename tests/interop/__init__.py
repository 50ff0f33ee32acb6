"""Our dialects and client against servers that nobody here wrote, over real HTTP."""
