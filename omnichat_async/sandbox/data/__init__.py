"""The data: pure functions of the seed and the row number."""
