"""Rules from examples: the shortest programs that tell positive from negative pictures."""
