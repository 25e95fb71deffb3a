"""One module per API area: coroutines and listings, nothing else."""
