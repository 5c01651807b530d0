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
    database_wait_s: Annotated[float, Field(gt=0, le=3_600)] = Field(
        30.0, description="how long a request waits for the database (a lock, a free connection)"
    )
    host: str = Field("127.0.0.1", description="address to bind to; loopback only until API keys exist")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="port to listen on; 0 = any free one")
    allowed_hosts: tuple[str, ...] = Field(
        ("127.0.0.1", "localhost", "[::1]"),
        description="names that the Host header may have (without port): others are refused, so that no foreign "
        "web page reaches the service through a name that resolves to loopback",
    )
    max_body_bytes: Annotated[int, Field(ge=1_024, le=1 << 30)] = Field(
        1 << 20, description="largest request body taken"
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
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe log lines written (JSON, on standard error)"
    )

    @model_validator(mode="after")
    def _embedded_by_default(self) -> Self:
        url = self.database_url or f"sqlite:///{(self.data_folder / DATABASE_FILE).as_posix()}"
        for short in ("postgresql://", "postgres://"):
            if url.startswith(short):
                url = f"postgresql+psycopg://{url.removeprefix(short)}"
        object.__setattr__(self, "database_url", url)
        return self
