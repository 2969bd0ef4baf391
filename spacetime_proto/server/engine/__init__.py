"""The database of the embedded server: rows, transactions, queries, procedures."""
