"""Training of the two shipped networks from annotations."""
