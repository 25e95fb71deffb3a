"""What the SDK costs and how fast it is, measured."""
