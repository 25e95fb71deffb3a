"""What the benchmarks share: sample rows, a cheap server, runs side by side, tables and plots."""
