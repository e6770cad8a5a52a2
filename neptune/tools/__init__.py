"""Picture tools: pure functions from a picture to a picture, a mask, numbers or texts."""

from neptune.errors import ToolError as ToolError
from neptune.scene.seen.masks import Mask as Mask
from neptune.tools.arguments import describe as describe
from neptune.tools.results import Made as Made
from neptune.tools.results import Step as Step
from neptune.tools.toolbox import Toolbox as Toolbox

__all__ = ["Made", "Mask", "Step", "ToolError", "Toolbox", "describe"]
