"""What a finished run is worth: intervals, a judge, comparisons, tables of logics, error attribution."""
