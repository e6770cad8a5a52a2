"""Which ground atoms to ask next: guesses, which decide nothing."""
