"""Rows of measurements from a CSV table (docs/measurements.md), and faults said by row and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from design.errors import InvalidGenotype
from design.spaces.nasbench201 import FULL_PRECISION, NasBench201Space
from design.spaces.nasbench201_text import START, cell_of
from service.faults import MOST_FAULTS, fault_of_value
from service.measurements.schemas import MOST_ROWS, MeasurementInput
from service.problems import Fault, Refusal, shown

COLUMNS = ("network", "design_id", "space", "genotype", "task", "latency_ms", "energy_mj", "measured_at", "note")
FIGURES = ("latency_ms", "energy_mj")
LONGEST_CELL = 20_000
_POINTER = re.compile(r"/measurements/(\d+)(?:/(\w+))?")


class Table:
    """The rows of a table and the line that each ends at.

    Attributes:
        rows: At least one.
        lines: One for each row, counted from 1; the header is line 1.
    """

    def __init__(self, rows: tuple[MeasurementInput, ...], lines: tuple[int, ...]) -> None:
        self.rows, self.lines = rows, lines

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Whatever is refused inside by JSON pointer is said by row and column."""
        try:
            yield
        except Refusal as refusal:
            for fault in refusal.faults:
                found = _POINTER.match(fault.pointer or "")
                if found:
                    fault.pointer, fault.row = None, self.lines[int(found[1])]
                    fault.column = _column(found[2] or "")
            first = next((fault for fault in refusal.faults if fault.row is not None), None)
            if first is not None:
                refusal.detail = f"Row {first.row}, column {first.column}: {refusal.detail}"
            raise


def read_table(content: bytes) -> Table:
    """The rows of a CSV table in UTF-8.

    Raises:
        Refusal: Something in it does not hold; every fault names its row and column.
    """
    lines = _lines(content)
    header = _header(lines)
    rows: list[MeasurementInput] = []
    places: list[int] = []
    faults: list[Fault] = []
    for line, cells in lines:
        if len(rows) >= MOST_ROWS:
            raise _refusal([Fault(row=line, must=f"must be at most row {MOST_ROWS:,} of the table", got="more")])
        row = _row(header, line, cells)
        if isinstance(row, MeasurementInput):
            rows.append(row)
            places.append(line)
        else:
            faults += row
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise _refusal(faults[:MOST_FAULTS])
    if not rows:
        raise _refusal([Fault(row=2, must="must be a measurement", got="nothing below the header")])
    return Table(tuple(rows), tuple(places))


def _lines(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"the byte 0x{content[error.start]:02x}"
        raise _refusal([Fault(row=line, must="must be text in UTF-8", got=got, way_out="Save it as UTF-8.")]) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _refusal([Fault(row=reader.line_num, must="must be a line of CSV", got=str(error))]) from None
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [cell.strip() for cell in cells]


def _header(lines: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The columns of a table, in its order.

    Raises:
        Refusal: There is no header, or it names what is no column.
    """
    line, header = next(lines, (1, []))
    way_out = f"Columns are {', '.join(COLUMNS)}; put their names on the first line, separated by commas."
    faults = []
    if not header:
        faults.append(Fault(row=line, must="must be a header", got="an empty table", way_out=way_out))
    for name in header:
        if name not in COLUMNS:
            must = "must be the name of a column"
            faults.append(Fault(row=line, column=shown(name), must=must, got=shown(name), way_out=way_out))
        elif header.count(name) > 1:
            faults.append(Fault(row=line, column=name, must="must be named once", got="twice"))
    if header and not faults and not any(figure in header for figure in FIGURES):
        must = "must have a column latency_ms or energy_mj"
        faults.append(Fault(row=line, must=must, got=shown(", ".join(header)), way_out=way_out))
    if header and not faults and not {"network", "design_id", "genotype"} & set(header):
        must = "must have a column network, design_id or genotype"
        faults.append(Fault(row=line, must=must, got=shown(", ".join(header)), way_out=way_out))
    if faults:
        raise _refusal(faults[:MOST_FAULTS])
    return header


def _row(header: Sequence[str], line: int, cells: list[str]) -> MeasurementInput | list[Fault]:
    """One row, or what is wrong with it."""
    if len(cells) > len(header):
        got = f"{len(cells)} cells"
        must = f"must have at most the {len(header)} cells of the header"
        return [Fault(row=line, must=must, got=got, way_out="Write decimals with a point; quote cells with commas.")]
    stated: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    long = next((name for name, cell in stated.items() if len(cell) > LONGEST_CELL), None)
    if long is not None:
        return [Fault(row=line, column=long, must=f"must have at most {LONGEST_CELL:,} characters", got="more")]
    space, text = stated.pop("space", None), stated.pop("genotype", None)
    if text is not None or space is not None:
        if text is not None and text.startswith(START):
            space = space or NasBench201Space.name
        if "task" not in stated:
            return [Fault(row=line, column="task", must="must be given beside a genotype", got="nothing")]
        values = _vector(space or "", text or "", line)
        if isinstance(values, Fault):
            return [values]
        stated["design"] = {"space": space or "", "task": stated["task"], "values": values}
    stated |= {figure: _number(stated[figure]) for figure in FIGURES if figure in stated}
    try:
        return MeasurementInput.model_validate(stated)
    except ValidationError as error:
        return [_placed(one, line) for one in error.errors(include_url=False)]


def _number(text: str) -> float | str:
    """The number that a cell holds; the text itself, which is refused, where it holds none."""
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text


def _vector(space: str, text: str, line: int) -> list[int] | Fault:
    """The indices of choices that a cell of the column `genotype` stands for, or what is wrong with it."""
    if text.startswith(START):
        if space != NasBench201Space.name:
            must = f"must be {NasBench201Space.name} beside a published cell, or left out"
            return Fault(row=line, column="space", must=must, got=shown(space))
        try:
            return [*cell_of(text), *FULL_PRECISION]
        except InvalidGenotype as error:
            must = error.must.removeprefix("a published cell ")
            return Fault(row=line, column="genotype", must=must, got=error.got, way_out=error.way_out)
    values = text.replace(";", " ").split()
    if not all(value.isascii() and value.isdigit() and len(value) < 10 for value in values) or not values:
        must = "must be the indices of choices, separated by spaces, beside a space"
        way_out = "A cell of NAS-Bench-201 may stand there as published, with bars."
        return Fault(row=line, column="genotype", must=must, got=shown(text), way_out=way_out)
    return [int(value) for value in values]


def _placed(error: Any, line: int) -> Fault:
    """One of pydantic's errors by row and column."""
    fault = fault_of_value(error)
    fault.pointer, fault.row = None, line
    fault.column = _column(str(error["loc"][0]) if error["loc"] else "", fault.must)
    if error["type"] == "float_type" and re.search(r"\d,\d", str(error["input"])):
        fault.way_out = "Write decimals with a point."
    if error["type"] == "finite_number":
        fault.way_out = "Leave the cell empty if it was not measured."
    return fault


def _column(name: str, must: str = "") -> str:
    """The column that a field of a row is written in."""
    if name in COLUMNS:
        return name
    if name == "design":
        return "genotype"
    return "latency_ms" if "latency_ms" in must else "network"


def _refusal(faults: list[Fault]) -> Refusal:
    first = faults[0]
    where = f"Row {first.row}" + (f", column {first.column}" if first.column else "")
    detail = f"{where} {first.must}, but got {first.got}." + (f" {first.way_out}" if first.way_out else "")
    if len(faults) > 1:
        detail += f" {len(faults) - 1} more fault{'s' if len(faults) > 2 else ''}."
    return Refusal("invalid-csv", 422, detail, faults=faults)
