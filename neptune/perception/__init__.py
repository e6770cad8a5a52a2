"""What looks at pictures: oracles, detectors, the networks that this project ships, and who makes them by name."""
