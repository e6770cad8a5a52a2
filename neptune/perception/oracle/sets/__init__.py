"""Many objects in one request: "for which of the numbered objects …?", as a proxy alone."""
