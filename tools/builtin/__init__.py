"""The tools that come with every installation, one in each file."""
