"""Settings: everything that can be configured, read from BESPOKE_* environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DATABASE_FILE = "bespoke.sqlite3"


class Settings(BaseSettings):
    """The service's settings; the name of each in capitals behind `BESPOKE_` is its environment variable."""

    model_config = SettingsConfigDict(env_prefix="BESPOKE_", extra="ignore", frozen=True)

    data_folder: Path = Field(
        Path("bespoke-data"), description="where the embedded database lives; made if it does not exist"
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy address; empty = an SQLite file in data_folder. "
        "PostgreSQL: postgresql://user@host:5432/name",
    )
    migrate: bool = Field(True, description="bring the database to the newest migration when the service starts")
    database_connections: Annotated[int, Field(ge=1, le=1_000)] = Field(
        20, description="most connections to PostgreSQL held by one process"
    )
    database_idle_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        10.0, description="PostgreSQL ends a transaction that waits for its process this long, and frees its locks"
    )
    database_wait_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        30.0, description="how long a request waits for the database (a lock, a free connection)"
    )
    host: str = Field("127.0.0.1", description="address to bind to; loopback only until API keys exist")
    require_keys: bool = Field(
        False, description="demand an API key on loopback too (behind a proxy); elsewhere one is always demanded"
    )
    key_requests_per_minute: Annotated[int, Field(ge=1)] = Field(
        600, description="most requests of one API key in a minute; more are answered 429 with Retry-After"
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="port to listen on; 0 = any free one")
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="names that the Host header may have (without port): others are refused, so that no foreign "
        "web page reaches the service through a name that resolves to loopback",
    )
    max_body_bytes: Annotated[int, Field(ge=1_024, le=1 << 30)] = Field(
        1 << 20, description="largest request body taken"
    )
    max_model_bytes: Annotated[int, Field(ge=1_024, le=1 << 31)] = Field(
        128 << 20, description="largest ONNX file taken by POST /v1/predictions"
    )
    model_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        10.0, description="time after which reading an uploaded model is given up"
    )
    max_table_bytes: Annotated[int, Field(ge=1_024, le=1 << 30)] = Field(
        1 << 23, description="largest table of measurements taken (CSV)"
    )
    tables_folder: Path | None = Field(
        None,
        description="folder of published measured latencies (nb201.npz, fbnet.npz) that proxies are compared on; "
        "without, on predictions and the user's own measurements",
    )
    concurrent_designs: Annotated[int, Field(ge=1, le=256)] = Field(
        2, description="optimizations that run at once in this process"
    )
    waiting_designs: Annotated[int, Field(ge=0, le=1_000)] = Field(
        64, description="optimizations that may wait for their turn; more are answered 503 with Retry-After"
    )
    warm_up: tuple[str, ...] = Field(
        (),
        description="tasks that one design is made for when the service starts, so that the first request finds "
        "filled caches; `bespoke serve` names cifar10",
    )
    idempotency_hours: Annotated[float, Field(gt=0, le=24 * 365)] = Field(
        24.0, description="how long the answer to an Idempotency-Key is kept"
    )
    idempotency_stale_s: Annotated[float, Field(gt=0, le=86_400)] = Field(
        120.0, description="after this time a request that never answered (its process died) frees its key"
    )
    jobs: bool = Field(True, description="take jobs: train and compress stored designs on workers")
    pictures_folder: Path | None = Field(
        None,
        description="folder of the workers with the data sets of built-in tasks (cifar10, mnist, ...; docs/networks.md "
        "says in which forms); digits needs none",
    )
    engine_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = Field(
        "dbos", description="schema of the job engine's own tables in PostgreSQL"
    )
    heartbeat_s: Annotated[float, Field(gt=0, le=60)] = Field(2.0, description="how often a worker says it is alive")
    dead_after_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        10.0, description="a worker not heard of for this long is dead: another one takes its jobs over"
    )
    poll_s: Annotated[float, Field(gt=0, le=60)] = Field(1.0, description="how often a worker looks for new jobs")
    watch_s: Annotated[float, Field(gt=0, le=60)] = Field(
        0.25, description="how often a worker looks whether its running job was cancelled or taken over"
    )
    grace_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        5.0, description="how long a worker told to stop lets its present step end before it hands the job over"
    )
    step_tries: Annotated[int, Field(ge=1, le=20)] = Field(
        2, description="how often a worker starts the trainer of one step that dies without giving a reason"
    )
    job_strikes: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="a job whose step was taken up this often, each time with the death of the worker, has failed"
    )
    job_hours: Annotated[float, Field(gt=0, le=24 * 365)] = Field(24.0, description="most hours of work on one job")
    trainer_memory_mb: Annotated[int, Field(ge=0)] = Field(
        0, description="most megabytes of memory that a trainer may allocate; 0 = no limit"
    )
    unfinished_jobs: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        100, description="most jobs waiting and running at once"
    )
    artifact_gb: Annotated[float, Field(gt=0)] = Field(50.0, description="most gigabytes of files kept for jobs")
    dataset_mb: Annotated[float, Field(gt=0)] = Field(
        500.0, description="largest upload of a data set; unpacked it may be four times as large"
    )
    dataset_folders: tuple[Path, ...] = Field(
        (), description="folders of this machine whose subfolders and .npz files may be registered as data sets"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe log lines written (JSON, on standard error)"
    )

    def job_folder(self, job_id: str) -> Path:
        """Where the work folder and the logs of a job are."""
        return self.data_folder / "jobs" / job_id

    def work_folder(self, job_id: str) -> Path:
        """Where the trainers of a job keep their checkpoints."""
        return self.job_folder(job_id) / "work"

    def log_folder(self, job_id: str) -> Path:
        """Where the logs of a job are."""
        return self.job_folder(job_id) / "logs"

    @model_validator(mode="after")
    def _embedded_by_default(self) -> Self:
        url = self.database_url or f"sqlite:///{(self.data_folder / DATABASE_FILE).as_posix()}"
        for short in ("postgresql://", "postgres://"):
            if url.startswith(short):
                url = f"postgresql+psycopg://{url.removeprefix(short)}"
        object.__setattr__(self, "database_url", url)
        return self
