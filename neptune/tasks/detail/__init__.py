"""Questions about details that one look at a whole picture misses."""
