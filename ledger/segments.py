"""Payload segments: numbered Parquet files, written once.

Invariant: a segment's name exists only when its bytes are whole and on the disk (written beside, fsync,
renamed, folder fsync); what else lies in the folder was never acknowledged.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ledger.records import LedgerError

ROWS_PER_GROUP = 64
"""A random read decodes one group per wanted row at most: small groups keep draws cheap."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def segment_path(folder: Path, number: int) -> Path:
    """The file of segment `number`."""
    return folder / f"{number:08d}.parquet"


def segment_number(path: Path) -> int | None:
    """The inverse of `segment_path`; None for any other file."""
    return int(path.stem) if path.suffix == ".parquet" and path.stem.isdigit() else None


def to_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table; a column that a row lacks is None there. Raises ValueError when a column mixes
    types."""
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except pa.ArrowException as error:
        raise ValueError(f"a ledger column must hold one type throughout an append: {error}") from error


def fits(tables: Sequence[pa.Table], table: pa.Table) -> bool:
    """Whether `table` can share a segment with `tables` without a change of type."""
    try:
        pa.unify_schemas([*(other.schema for other in tables), table.schema])
    except pa.ArrowException:
        return False
    return True


def write_segment(folder: Path, number: int, tables: Sequence[pa.Table]) -> int:
    """Write tables as segment `number`; returns its size in bytes once it is durable. Raises LedgerError
    when the disk is full (nothing is left behind)."""
    table = pa.concat_tables(tables, promote_options="default")
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=1, row_group_size=ROWS_PER_GROUP)
    data = sink.getvalue()
    path = segment_path(folder, number)
    beside = path.with_suffix(".tmp")
    try:
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.rename(path)
        sync_folder(folder)
    except OSError as error:
        beside.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise disk_error(folder, error) from error
    return int(data.size)


def disk_error(folder: Path, error: OSError) -> LedgerError:
    """The sentence for a write that failed."""
    if error.errno in FULL:
        return LedgerError(
            f"the disk (or quota) that holds {folder} is full: free some space, or start the run in another "
            "runs_dir; what was acknowledged is safe, and nothing is half-written"
        )
    return LedgerError(f"{folder} cannot be written ({error.strerror}): check its permissions and its disk")


def read_rows(
    folder: Path, number: int, rows: Sequence[int], columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The payloads at `rows` of one segment, in that order; `columns` None means all.

    Raises LedgerError for a segment that cannot be read.
    """
    path = segment_path(folder, number)
    try:
        with pq.ParquetFile(path) as file:
            names = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
            found: dict[int, dict[str, Any]] = {}
            for group in sorted({row // ROWS_PER_GROUP for row in rows}):
                wanted = sorted({row % ROWS_PER_GROUP for row in rows if row // ROWS_PER_GROUP == group})
                table = file.read_row_group(group, columns=names, use_threads=False).take(wanted)
                found.update(
                    zip((group * ROWS_PER_GROUP + row for row in wanted), table.to_pylist(), strict=True)
                )
    except (OSError, pa.ArrowException) as error:
        raise LedgerError(f"the segment {path} cannot be read ({error}): restore it from a copy") from error
    return [found[row] for row in rows]


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
