"""The dialect ``patches``: programs over regions of a picture, run by the same needs as any other program."""
