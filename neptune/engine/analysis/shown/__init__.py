"""How a finished run is shown: its plan as lines, and the values that stand beside them."""
