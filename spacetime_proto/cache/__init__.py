"""The client cache: rows, reference counts, indexes, differences."""
