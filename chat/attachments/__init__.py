"""Files that belong to people: how they are kept, handed in by tools, and dropped when nobody has them any more."""
