"""A model that answers at once, without programs: the same datasets, judges and reports."""
