"""Tables as Arrow columns, data frames and HTML; needs the extras `arrow`, `polars` or `pandas`."""
