"""Tools for testing programs: Hypothesis strategies, fake link, recorded sessions."""
