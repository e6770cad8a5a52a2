"""``report.html`` of a run, and annotated pictures."""

from neptune.runs.report.build import write_report

__all__ = ["write_report"]
