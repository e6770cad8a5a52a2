"""What is kept of a run: its folder, what a record says, where its answers come from, and all of it in one file."""

from neptune.runs.record.files import check_own_files, jsonable, write_atomic, write_json
from neptune.runs.record.folder import CONFIG, ERRORS, META, REPORT, RESULTS, SAMPLES, RunFolder
from neptune.runs.record.kept import Record, key, read_samples

__all__ = ["CONFIG", "ERRORS", "META", "REPORT", "RESULTS", "SAMPLES", "Record", "RunFolder", "key", "read_samples"]
__all__ += ["check_own_files", "jsonable", "write_atomic", "write_json"]
