"""Jobs as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from design.scalars import NUMBER, TRUTH, WHOLE
from service.jobs.states import EventKind, JobState

Preset = Literal["quick", "standard", "thorough"]
EXAMPLE_REQUEST: dict[str, Any] = {"design": "dsn_01k5zj4v8qy0w3t7rb6n2m9xhc", "accelerator": "cpu"}


class JobOptions(BaseModel):
    """How the design is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: Annotated[int, Field(ge=0, lt=1 << 31), WHOLE] = Field(0, description="the same seed gives the same result")
    preset: Preset = Field(
        "standard",
        description="how much work: `quick` takes 5,000 pictures and a few epochs, `thorough` up to 120 epochs",
    )
    epochs: Annotated[int, Field(ge=1, le=10_000), WHOLE] | None = Field(
        None,
        description="of each training; none = by preset and number of pictures. Where a design keeps fewer filters, a "
        "quarter of those in full precision is trained with all of them",
    )
    batch_size: Annotated[int, Field(ge=2, le=65_536), WHOLE] | None = Field(
        None, description="pictures in a step; none = 128, or 32 for small data sets"
    )
    learning_rate: Annotated[float, Field(gt=0, le=100), NUMBER] | None = Field(
        None, description="at its peak; none = 0.1"
    )
    full_precision_first: Annotated[bool, TRUTH] = Field(
        True,
        description="train in full precision first, as starting point and teacher of the design, and with all filters, "
        "where the design keeps fewer, to choose which stay; false: at the design's bits and size from the start",
    )
    training_memory_mb: Annotated[float, Field(gt=0, le=1e9), NUMBER] | None = Field(
        None,
        description="most megabytes of a training step at the design's bits, by the memory model: binary layers then "
        "train with bits between forward and backward where a standard step does not fit, batches get smaller last",
    )
    processes: Annotated[int, Field(ge=1, le=64), WHOLE] = Field(
        1, description="of one worker that train together, each on its share of every batch; with cuda, a GPU each"
    )


class JobRequest(BaseModel):
    """A stored design to be trained and compressed."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"example": EXAMPLE_REQUEST})

    design: Annotated[str, Field(max_length=40)] = Field(description="id of a stored design")
    dataset: Annotated[str, Field(max_length=120)] | None = Field(
        None, description="id or name of a registered data set; none = the one of the design's task"
    )
    accelerator: Literal["cpu", "cuda"] = Field("cpu", description="kind of worker that it needs")
    priority: Annotated[int, Field(ge=1, le=100), WHOLE] = Field(10, description="smaller is sooner")
    options: JobOptions = JobOptions()


class JobLinks(BaseModel):
    """Addresses of a job."""

    self: str
    design: str
    events: str
    logs: str
    artifacts: str


class JobDocument(BaseModel):
    """A job: what was asked for, and how far it is."""

    id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    design_id: str
    dataset: str
    accelerator: str
    priority: int
    options: dict[str, Any]
    state: JobState
    step: str | None = Field(description="the step that runs")
    progress: float | None = Field(description="fraction of that step, where it is known")
    steps_done: int
    worker: str | None = Field(description="the worker that has it")
    attempts: int = Field(description="how often a worker took it up")
    spent_s: float = Field(description="seconds in which a worker had it, as far as they are recorded")
    error: dict[str, Any] | None = Field(description="problem document of a failed job")
    result: dict[str, Any] | None = Field(
        description="of a job that succeeded: each figure predicted and measured, the machine it was measured on, and "
        "validation accuracy before, right after and behind pruning (null where nothing was cut)"
    )
    links: JobLinks


class JobEvent(BaseModel):
    """Something that happened to a job: the `data` of a server-sent event."""

    number: int = Field(description="counts from 1; the id of the server-sent event")
    at: datetime
    kind: EventKind
    data: dict[str, Any]


class ArtifactLinks(BaseModel):
    """Where the content is."""

    content: str


class ArtifactDocument(BaseModel):
    """A file that a job made."""

    name: str
    created_at: datetime
    step: str
    digest: str = Field(description="SHA-256 of the content")
    media_type: str
    bytes: int
    links: ArtifactLinks
