"""The command line."""

from neptune.cli.command_line import main

__all__ = ["main"]
