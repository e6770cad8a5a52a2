"""What a finished run is worth: intervals, a judge, comparisons, tables of logics, blame. One idea a file."""
