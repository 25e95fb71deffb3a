"""What requests changed, kept in memory on top of the computed data."""
