"""Samples shared out: shards of pictures, and processes of this machine that answer them."""
