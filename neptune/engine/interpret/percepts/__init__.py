"""What programs ask of masks, depths and words: ``nearer(x, y)``, ``depth(x)``, ``reads(x, "STOP")``, ``area(x)`` …"""
