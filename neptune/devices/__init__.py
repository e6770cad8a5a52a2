"""Models on several devices: one copy on each, and copies used by one thread at a time."""
