"""Real Python, run where it can do no harm: a child without network, files or other processes."""

from neptune.sandbox.limits import SandboxLimits
from neptune.sandbox.sandbox import Ran, Sandbox

__all__ = ["Ran", "Sandbox", "SandboxLimits"]
