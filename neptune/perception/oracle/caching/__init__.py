"""What stands around an oracle: a cache of its scores, a record of a run, one stream of batches."""
