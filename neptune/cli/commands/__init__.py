"""Tasks other than answering a dataset, one a file; `neptune.config.tasks` says which function runs which task."""
