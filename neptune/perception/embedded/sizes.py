"""The sizes that all networks of rendered scenes share, in pixels."""

WIDTH, HEIGHT = 480, 320
"""The canvas: every picture is scaled to it, and boxes with it. CLEVR's pictures have this size already."""

CROP = 64
"""Side of a crop in pixels of the network's input."""

CONTEXT = 1.6
"""Side of the region a crop shows, in units of the box's longer side: neighbours and ground are seen."""

SMALLEST = 40.0
"""A crop never shows less than this many canvas pixels: tiny visible parts keep their surroundings."""

STRIDE = 4
"""Side of a cell of the detector's grid."""
