"""What can be done with data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from service.artifacts.store import PIECE_BYTES, DiskFull
from service.context import Context
from service.datasets import repository
from service.datasets.folders import from_folder, from_zip
from service.datasets.pictures import Pictures, from_arrays, packed
from service.datasets.schemas import DatasetDocument, DatasetRequest, Upload
from service.idempotency import Once, Record, Reply
from service.ids import new_id
from service.jobs import repository as jobs
from service.models import DatasetRow
from service.problems import Fault, Refusal, not_found, shown

MEGABYTE = 1e6
UNPACKED = 4
"""How many times its limit an upload may have when it is unpacked."""
Source = Literal["upload", "folder"]


def upload(context: Context, once: Once, name: str, file: BinaryIO, *, zipped: bool) -> Response:
    """Register the data set in a file: a zip archive of class folders, or an .npz."""
    file.seek(0)
    digest = hashlib.sha256()
    for piece in iter(lambda: file.read(PIECE_BYTES), b""):
        digest.update(piece)
    file.seek(0)
    most = most_unpacked(context)

    def read() -> Pictures:
        return from_zip(file, most_bytes=most) if zipped else from_arrays(file, most_bytes=most)

    return _register(context, once, Upload(name=name, digest=digest.hexdigest()), name, read, source="upload")


def adopt(context: Context, once: Once, request: DatasetRequest) -> Response:
    """Register a data set from one of the folders that the settings allow."""
    offered = offers(context)
    if request.folder not in offered:
        must = f"must be one of {', '.join(sorted(offered)) or 'none: the settings allow no folder'}"
        fault = Fault(pointer="/folder", must=must, got=shown(request.folder))
        raise Refusal("invalid-request", 422, f"/folder {must}, but got {shown(request.folder)}.", faults=[fault])
    path, most = offered[request.folder], most_unpacked(context)

    def read() -> Pictures:
        if path.is_dir():
            return from_folder(path, most_bytes=most)
        with path.open("rb") as file:
            return from_arrays(file, most_bytes=most)

    return _register(context, once, request, request.name, read, source="folder")


def offers(context: Context) -> dict[str, Path]:
    """What may be registered, by name: a request chooses among these, its text never becomes a path."""
    return {
        path.name: path
        for folder in context.settings.dataset_folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if not path.is_symlink() and (path.is_dir() or path.suffix == ".npz")
    }


def most_unpacked(context: Context) -> int:
    """Most bytes of a data set when it is unpacked."""
    return int(UNPACKED * context.settings.dataset_mb * MEGABYTE)


def find(context: Context, name: str) -> DatasetDocument:
    """The data set of that id or name.

    Raises:
        Refusal: There is none.
    """
    with context.database.reading() as session:
        row = repository.find(session, name)
        if row is None:
            raise not_found("data set", name)
        return _document(row)


def listed(context: Context, limit: int, cursor: str | None) -> tuple[list[DatasetDocument], str | None]:
    """One page of data sets, and the cursor of the next one."""
    with context.database.reading() as session:
        rows, after = repository.listed(session, limit, cursor)
        return [_document(row) for row in rows], after


def remove(context: Context, name: str) -> None:
    """Delete a data set, and its pictures unless something else has the same.

    Raises:
        Refusal: There is none, or a job needs it.
    """
    with context.database.writing() as session:
        row = repository.find(session, name)
        if row is None:
            raise not_found("data set", name)
        if repository.needed(session, row):
            raise Refusal("dataset-in-use", 409, f"A job that has not ended needs the data set {shown(name)}.")
        digest = row.digest
        session.delete(row)
        session.flush()
        kept = digest in repository.digests(session) or jobs.artifact_of(session, digest) is not None
    if not kept:
        context.desk.store.remove(digest)


def _register(
    context: Context, once: Once, identity: BaseModel, name: str, read: Callable[[], Pictures], *, source: Source
) -> Response:
    def work(record: Record) -> Reply:
        with context.database.reading() as session:
            if repository.find(session, name) is not None:
                raise _taken(name)
        with context.desk.gate.enter():
            pictures = read()
            try:
                stored = context.desk.store.put(packed(pictures))
            except DiskFull as full:
                raise Refusal("disk-full", 507, str(full)) from full
        row = DatasetRow(
            id=new_id(repository.PREFIX),
            name=name,
            shape=[*pictures.shape],
            classes=[*pictures.classes],
            counts=pictures.counts,
            digest=stored.digest,
            bytes=stored.bytes,
            source=source,
        )
        try:
            with context.database.writing() as session:
                session.add(row)
                session.flush()
                document = _document(row)
                reply = Reply(status=201, body=document.model_dump_json(), location=f"/v1/datasets/{document.id}")
                record(session, reply)
        except IntegrityError:
            raise _taken(name) from None
        return reply

    return once.answer(context, identity, work)


def _taken(name: str) -> Refusal:
    fault = Fault(parameter="name", must="must be the name of no other data set", got=shown(name))
    return Refusal("name-taken", 409, f"There is a data set {shown(name)} already.", faults=[fault])


def _document(row: DatasetRow) -> DatasetDocument:
    return DatasetDocument.model_validate({name: getattr(row, name) for name in DatasetDocument.model_fields})
