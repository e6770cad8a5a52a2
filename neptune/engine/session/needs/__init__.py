"""What a need comes to, read off arrays of known values, off arrays of bounds, or off tensors."""
