"""One module per parser, each with `check(data)`: raises nothing, whatever the bytes."""
