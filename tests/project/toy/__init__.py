"""A site of thirty lines, to test the launchers without the product."""
