"""The tables. Documents are JSON as the library writes them; what lists filter and sort by has columns of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Document = dict[str, Any]

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; both databases give it back with its time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a moment without a zone is a fault of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment must have a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone: what it gives is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {datetime: UtcDateTime, float: Double, Document: JSON, list[Any]: JSON}  # noqa: RUF012


class DeviceRow(Base):
    """A device that the user registered; the catalogue is in files.

    Attributes:
        origin: Address of the catalogue device it is a copy of.
        measured: Number of its measurements.
        measured_digest: Of their content; None without any. Kept with every change of them, so that nobody reads the
            rows to learn whether they have changed.
    """

    __tablename__ = "devices"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(8), index=True)
    profile: Mapped[Document]
    origin: Mapped[str | None] = mapped_column(String(120))
    measured: Mapped[int] = mapped_column(BigInteger, default=0)
    measured_digest: Mapped[str | None] = mapped_column(String(64))


class MeasurementRow(Base):
    """What a user measured of one network on one of their devices; the truth that adaptations are derived from.

    A device with measurements cannot be deleted: they go first, and only on demand.

    Attributes:
        key: Tells networks apart (SHA-256 of `source`).
        source: The network: `{"genotype": ...}`, `{"network": name}` or `{"design": ...}`.
        measured_at: As stated by the user.
    """

    __tablename__ = "measurements"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    device_id: Mapped[str] = mapped_column(String(40), ForeignKey("devices.id", ondelete="RESTRICT"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(String(200))
    task: Mapped[str] = mapped_column(String(63))
    key: Mapped[str] = mapped_column(String(64))
    source: Mapped[Document]
    latency_ms: Mapped[float | None]
    energy_mj: Mapped[float | None]
    measured_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        Index(None, "device_id", "id"),
        CheckConstraint("latency_ms IS NOT NULL OR energy_mj IS NOT NULL", name="figure"),
    )


class DesignRow(Base):
    """A stored design with everything it came from.

    `device` is a snapshot: a device deleted later takes nothing away; `measurements` says how many measurements of it
    the predictions rest on, and the digest of their content. Figures beside the prediction are its medians. `front` is
    empty until somebody asks for it (a front has one member at least).
    """

    __tablename__ = "designs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), index=True)
    task: Mapped[str] = mapped_column(String(63), index=True)
    space: Mapped[str | None] = mapped_column(String(63), index=True)
    device_id: Mapped[str | None] = mapped_column(String(120), index=True)
    device_name: Mapped[str] = mapped_column(String(200))
    device: Mapped[Document] = mapped_column(deferred=True)
    measurements: Mapped[Document | None] = mapped_column(JSON(none_as_null=True))
    limits: Mapped[Document]
    preferences: Mapped[Document]
    spaces: Mapped[list[Any]]
    seed: Mapped[int] = mapped_column(BigInteger)
    energy_model: Mapped[str] = mapped_column(String(63))
    method: Mapped[str | None] = mapped_column(String(16))
    approach: Mapped[str] = mapped_column(String(200))
    evaluations: Mapped[int] = mapped_column(BigInteger)
    accuracy_basis: Mapped[str] = mapped_column(String(16))
    accuracy: Mapped[float] = mapped_column(index=True)
    latency_ms: Mapped[float] = mapped_column(index=True)
    energy_mj: Mapped[float] = mapped_column(index=True)
    model_bytes: Mapped[int] = mapped_column(BigInteger, index=True)
    peak_memory_bytes: Mapped[int] = mapped_column(BigInteger)
    versions: Mapped[Document] = mapped_column(deferred=True)
    design: Mapped[Document] = mapped_column(deferred=True)
    prediction: Mapped[Document] = mapped_column(deferred=True)
    front: Mapped[list[Any]] = mapped_column(deferred=True)


class IdempotencyRow(Base):
    """A key that a client gave with a POST, and the answer it got (none while it is worked on)."""

    __tablename__ = "idempotency_keys"

    path: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(default=now)
    status: Mapped[int | None]
    location: Mapped[str | None] = mapped_column(String(200))
    body: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index(None, "created_at"),)


class JobRow(Base):
    """A stored design to be trained and compressed: what was asked for, and how far it is.

    `subject` is a snapshot of the design, its device and its prediction: a design deleted later takes nothing away.
    Which steps are done and what they gave is kept by the engine (`service.jobs.engine`), under the same id.

    Attributes:
        queue: Kind of accelerator it needs; workers serve queues.
        steps_done: Steps whose results are recorded; a retry goes on behind them.
        progress: Fraction of the present step that is done, where it says.
        attempts: How often a worker took it up; its number is that worker's right to write here.
        strikes: How often a worker took up the present step without ending it or handing it over.
        spent_s: Time in which a worker held it.
        error: Problem document of a failed job.
        result: What a job that succeeded measured, beside what was predicted.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    design_id: Mapped[str] = mapped_column(String(40), index=True)
    dataset: Mapped[str] = mapped_column(String(120))
    queue: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]
    options: Mapped[Document]
    state: Mapped[str] = mapped_column(String(16), index=True)
    steps_done: Mapped[int] = mapped_column(default=0)
    step: Mapped[str | None] = mapped_column(String(63))
    progress: Mapped[float | None]
    worker: Mapped[str | None] = mapped_column(String(120))
    attempts: Mapped[int] = mapped_column(default=0)
    strikes: Mapped[int] = mapped_column(default=0)
    spent_s: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[Document | None]
    result: Mapped[Document | None] = mapped_column(JSON(none_as_null=True))
    subject: Mapped[Document] = mapped_column(deferred=True)


class JobEventRow(Base):
    """Something that happened to a job; numbered from 1 without a gap."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(default=now)
    kind: Mapped[str] = mapped_column(String(16))
    data: Mapped[Document]


class ArtifactRow(Base):
    """A file that a job made; its content is in the artefact store under its digest."""

    __tablename__ = "artifacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    step: Mapped[str] = mapped_column(String(63))
    digest: Mapped[str] = mapped_column(String(64), index=True)
    media_type: Mapped[str] = mapped_column(String(120))
    bytes: Mapped[int] = mapped_column(BigInteger)


class DatasetRow(Base):
    """A data set that the user registered; its pictures are in the artefact store under its digest."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    shape: Mapped[list[Any]]
    classes: Mapped[list[Any]]
    counts: Mapped[Document]
    digest: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(16))


class WorkerRow(Base):
    """A worker process and when it was last heard of, by the clock of the database.

    Attributes:
        id: Host and slot: the same after a restart.
        incarnation: Tells this process from the one before it of the same id.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    incarnation: Mapped[str] = mapped_column(String(40))
    pid: Mapped[int]
    queues: Mapped[list[Any]]
    version: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class ApiKeyRow(Base):
    """A key that lets a caller in from another machine; only a hash of its secret is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    name: Mapped[str] = mapped_column(String(120))
    scopes: Mapped[list[Any]]
    secret_hash: Mapped[str] = mapped_column(String(64))
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
