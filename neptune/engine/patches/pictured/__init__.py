"""What makes other pictures, of which a region is then a part: the frames of films, and picture tools."""
