"""The task `ask`, beside a single picture: what it prints and records of an answer, and films."""
