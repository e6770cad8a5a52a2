"""Programs that differ only in their words, made ready once."""
