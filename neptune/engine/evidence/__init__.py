"""What is known of a scene: the scores that the oracle gave, and how it is asked for more."""
