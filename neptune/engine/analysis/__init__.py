"""What can be said of a program or an answer: its plan, its cost, its values, what would change it."""
