"""Tools for the tests: a virtual clock, a strict rate limit, a hostile server, a strict runner."""
