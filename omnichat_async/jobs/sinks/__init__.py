"""Sinks: where the rows of an export go. A file's suffix chooses one."""

from __future__ import annotations

import errno
from os import PathLike
from pathlib import Path

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.sinks.base import Batch, Receipt, Sink
from omnichat_async.jobs.sinks.callback import CallbackSink

__all__ = ["SUFFIXES", "Batch", "CallbackSink", "Receipt", "Sink", "sink_for"]

SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet", ".sqlite", ".db")


def sink_for(out: str | PathLike[str], *, csv_safe: bool = False) -> Sink:
    """The sink that writes `out`, by its suffix. Raises InvalidRequest for others, OSError where
    no such file can be."""
    if not isinstance(out, str | PathLike) or "\0" in str(out):
        raise InvalidRequest("out", "must be a path or a Sink", type(out).__name__)
    path = Path(out)
    name = path.name.lower()
    suffix = next((each for each in SUFFIXES if name.endswith(each)), None)
    if suffix is None:
        *others, last = SUFFIXES
        raise InvalidRequest("out", f"must end in {', '.join(others)} or {last}", repr(path.suffix))
    if csv_safe and ".csv" not in suffix:
        raise InvalidRequest("csv_safe", "is for .csv files", repr(suffix))
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(path.parent))
    if suffix == ".parquet":
        if path.exists() and not path.is_dir():
            raise OSError(errno.EINVAL, "not a folder, which a .parquet export is", str(path))
        from omnichat_async.jobs.sinks.parquet import ParquetSink  # noqa: PLC0415 - an extra

        return ParquetSink(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file", str(path))
    if suffix in {".sqlite", ".db"}:
        from omnichat_async.jobs.sinks.sqlite import SqliteSink  # noqa: PLC0415 - rarely used

        return SqliteSink(path)
    from omnichat_async.jobs.sinks.files import CsvFormat, FileSink, JsonlFormat  # noqa: PLC0415

    row_format = CsvFormat(safe=csv_safe) if ".csv" in suffix else JsonlFormat()
    return FileSink(path, row_format, gz=suffix.endswith(".gz"))
