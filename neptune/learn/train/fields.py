"""The fields that trainings from annotated pictures of CLEVR's format share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from neptune.config.paths import ReadFolder, WrittenFolder


class ClevrTraining(BaseModel):
    """What is trained on, what is held out, and where it runs; a task adds what it trains."""

    model_config = ConfigDict(extra="forbid")

    task: str
    name: str
    data_dir: ReadFolder = Field(description="a folder in CLEVR's format, with a bbox for each object: trained on")
    follow_links: bool = Field(False, description="symbolic links below data_dir may lead out of it")
    val_dir: ReadFolder | None = Field(
        None, description="another such folder: the figures reported; default: held-out part"
    )
    output_dir: WrittenFolder | None = None
    seed: int = 0
    world: str | None = Field(
        None, description='what the pictures are, said of one that is out of domain, e.g. "CLEVR renderings"'
    )
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: PyTorch's own choice")
    holdout: int = Field(default=60, ge=1, description="pictures held out for early stopping and calibration")
    limit: int | None = Field(default=None, ge=2, description="use at most so many pictures")
