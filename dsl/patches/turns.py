"""What a block of a conversation may do beside what every program over regions may: print, show, ask how sure it is.

A picture that was shown has a name, ``image_clue_1``. It has the picture tools as methods, and those of a region, which
ask about the whole of it.
"""

from __future__ import annotations

import re

from dsl.patches.declared import ANY, NOTHING, NUMBER, REQUIRED, TEXT, Function, Parameter

CLUE = re.compile(r"image_clue_(\d+)")
"""The names of pictures: the first is the one that the question is about."""

TURN_FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("print", (Parameter("value", (ANY,), None),), NOTHING, "say values, in text", many=True, told=True),
        Function("show", (Parameter("picture", (ANY,), REQUIRED),), NOTHING, "look at pictures or regions", many=True,
                 told=True),
        Function("probability", (Parameter("truth", (ANY,), REQUIRED),), NUMBER, "how likely a truth is, in [0, 1]",
                 told=True),
        Function("why", (), TEXT, "how the last answers came about, step by step", told=True),
    )
}  # fmt: skip
"""Functions that blocks of a conversation have, and single programs have not."""
