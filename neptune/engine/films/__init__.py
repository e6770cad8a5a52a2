"""Questions about films: a film is a scene of frames, and what is asked of a frame is a program about a picture."""
