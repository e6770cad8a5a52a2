"""A student of distilled samples: it learns to answer at once, and to explain."""
