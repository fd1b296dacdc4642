"""A store whose outbox is filled by hand, and what a log of pushed rows holds."""

import pyarrow as pa
import pyarrow.parquet as pq
from hotrow.codec.logged import describe_view, encode_entries
from hotrow.offline.row_log.folder import CREATED_TIME, EVENT_TIME, complete_files, current_files, day_folders
from hotrow.stores.memory import MemoryStore
from hotrow.stores.port import Write
from reference.key import encode_key
from reference.row import encode_row

from support.ports import free_ports
from support.schema import view as feature_view

VIEW_ID, OTHER_ID = b"view-one", b"view-two"
VIEW = feature_view({"id": "int64"}, {"x": "int64"})
WIDER = feature_view({"id": "int64"}, {"x": "int64", "y": "string"})
DAY_US = 86_400_000_000


def write_settings(folder):
    """The `hotrow.toml` of a repository whose log is written when somebody asks for it, or not for an hour."""
    server, ingest = free_ports(2)
    (folder / "hotrow.toml").write_text(
        f'project = "rides"\n[server]\naddress = "127.0.0.1:{server}"\nworkers = 1\n'
        f'[ingest]\naddress = "127.0.0.1:{ingest}"\n[offline_store]\nflush_interval_s = 3600\n'
    )


class CrashError(Exception):
    """Stands for a crash."""


def crash_at(place, count=1):
    """What raises it where `place` is reached for that time."""
    left = count

    def reached(name):
        nonlocal left
        left -= name == place
        if name == place and not left:
            raise CrashError

    return reached


class Filled(MemoryStore):
    """Appends pushes of one row, whose value is their number among all."""

    def __init__(self):
        super().__init__()
        self.pushed = 0
        self.put_schemas({view.fingerprint: view.schema_bytes for view in (VIEW, WIDER)})

    def push(self, count=1, *, view=VIEW, view_id=VIEW_ID, created_us=DAY_US):
        """Append so many; returns their values."""
        values = range(self.pushed, self.pushed + count)
        for value in values:
            schema = {field.name: field.type.wire_name for field in view.fields}
            row = encode_row(
                schema,
                {"x": value, "y": f"y{value}"},
                fingerprint=view.fingerprint,
                event_us=value,
                created_us=created_us,
            )
            entries = encode_entries(view_id, describe_view(view), [encode_key([("int64", value)])], [row])
            self.write([Write(view_id, [], [], outbox=entries)])
        self.pushed += count
        return list(values)


def logged_rows(log, view_id=VIEW_ID):
    """The rows that a reader of the log sees, file by file."""
    rows = []
    for folder in log.glob(f"*-{view_id.hex()}"):
        for day in day_folders(folder):
            for file in current_files(complete_files(day)):
                table = pq.read_table(file.path, partitioning=None)
                times = [table.column(name).cast(pa.int64()) for name in (EVENT_TIME, CREATED_TIME)]
                table = table.drop([EVENT_TIME, CREATED_TIME])
                for name, column in zip((EVENT_TIME, CREATED_TIME), times, strict=True):
                    table = table.append_column(name, column)
                rows += table.to_pylist()
    return rows


def logged_values(log, view_id=VIEW_ID):
    return [row["x"] for row in logged_rows(log, view_id)]


def files_of(log):
    """Paths below the log, without its lock."""
    return sorted(str(path.relative_to(log)) for path in log.rglob("*") if path.is_file() and path.name != ".lock")
