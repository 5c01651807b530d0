"""Data sets as the API shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class DatasetRequest(BaseModel):
    """A data set that is on the machine of the service already."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"example": {"name": "leaves", "folder": "leaves"}}
    )

    name: Name
    folder: Annotated[str, Field(max_length=200)] = Field(
        description="name of a subfolder, or of an .npz file, in one of the folders that the settings allow"
    )


class Upload(BaseModel):
    """What identifies an upload for its Idempotency-Key."""

    name: str
    digest: str


class DatasetDocument(BaseModel):
    """A registered data set."""

    id: str
    name: str
    created_at: datetime
    shape: tuple[int, int, int] = Field(description="channels x height x width of a picture")
    classes: tuple[str, ...] = Field(description="name of each label, from 0")
    counts: dict[str, int] = Field(description="pictures in each split")
    digest: str = Field(description="SHA-256 of the pictures as stored")
    bytes: int
    source: Literal["upload", "folder"]
