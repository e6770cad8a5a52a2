"""Models behind an address: who offers them, and the client that talks to them."""
