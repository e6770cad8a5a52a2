"""The shipped networks in NumPy: for one picture, where loading torch takes far longer than what it would compute."""
