"""The repositories that `hotrow init` makes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hotrow import clock
from hotrow.cli.workspace import FILE
from hotrow.errors import Code, HotrowError

_SETTINGS = """\
project = "{project}"
registry = "registry"

[online_store]
type = "lmdb"
path = "data/online"

[offline_store]
path = "data/log"         # where pushes to OFFLINE and BOTH go

[server]
address = "127.0.0.1:6565"
workers = 2

[ingest]
address = "127.0.0.1:6566"
durability = "fsync"      # fsync: on disk before the reply; os: survives the process, not the power
"""

_IGNORED = """\
data/online*
data/log/
registry/
"""

_RIDES = '''\
"""What is known of drivers: hourly statistics from a Parquet file, kept fresh by pushes."""

from datetime import timedelta

from hotrow import Entity, FeatureService, FeatureView, Field, Float32, Float64, Int64, ParquetSource, PushSource

driver = Entity("driver", join_keys={"driver_id": Int64}, description="Somebody who drives")

driver_hourly_stats = FeatureView(
    "driver_hourly_stats",
    entities=[driver],
    ttl=timedelta(days=1),  # an older row is withheld
    schema=[
        Field("conv_rate", Float32, description="Share of the offers that were accepted"),
        Field("avg_daily_trips", Int64, description="Trips a day, over the last week"),
        Field("fare", Float64, unit="SEK", description="Mean fare of the last hour", default=None),
    ],
    source=ParquetSource("data/driver_stats.parquet", event_time="event_timestamp", created_time="created"),
    tags={"team": "rides"},
    owner="rides@example.com",
    description="Statistics of drivers by the hour",
)

driver_stats_push = PushSource("driver_stats_push", view=driver_hourly_stats)

driver_activity = FeatureService(
    "driver_activity",
    features=[driver_hourly_stats[["conv_rate", "avg_daily_trips"]]],
    description="What the model of driver activity reads",
)
'''

_PUSH_ONLY = '''\
"""What people click on: rows that are pushed as they happen, without a source."""

from datetime import timedelta

from hotrow import Array, Entity, FeatureService, FeatureView, Field, Float32, Int64, PushSource, String, UnixTimestamp

user = Entity("user", join_keys={"user_id": String}, description="Somebody signed in")

user_clicks = FeatureView(
    "user_clicks",
    entities=[user],
    ttl=timedelta(hours=6),
    schema=[
        Field("clicks_1h", Int64, description="Clicks in the last hour"),
        Field("last_article", String, description="The article that was clicked last", default=None),
        Field("last_click", UnixTimestamp, description="When that was", default=None),
        Field("taste", Array(Float32), description="An embedding of what was read", default=None),
    ],
    owner="web@example.com",
    description="Clicks of a user, pushed by the web site",
)

clicks_push = PushSource("clicks_push", view=user_clicks)

recommendations = FeatureService("recommendations", features=[user_clicks[["clicks_1h", "last_article"]]])
'''

_DRIVERS = 5
_HOURS = 48
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Template:
    """A repository to begin with. `sample` writes its data, given the folder, and says which file."""

    name: str
    about: str
    project: str
    definitions: str
    commands: tuple[str, ...]
    sample: Callable[[Path], Path] | None = None

    def next_steps(self, folder: Path) -> list[str]:
        """Commands to type, in the order to type them."""
        enter = [] if folder.resolve() == Path.cwd() else [f"cd {folder}"]
        return [*enter, *self.commands]


def write_template(template: Template, folder: Path, project: str) -> list[Path]:
    """Write the files, none of which may be there yet; raises CONFLICT, and OSError where a folder cannot be made."""
    files = {
        FILE: _SETTINGS.format(project=project),
        "features.py": template.definitions,
        ".gitignore": _IGNORED,
    }
    for name in files:
        if name != ".gitignore" and (folder / name).exists():
            raise HotrowError(Code.CONFLICT, f"{folder / name} is there already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
            written.append(folder / name)
    return written + ([template.sample(folder)] if template.sample else [])


def write_driver_stats(folder: Path) -> Path:
    """Two days of hourly statistics of five drivers, up to the hour that has just begun; the same values each time."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = folder / "data" / "driver_stats.parquet"
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(7)
    rows = _DRIVERS * _HOURS
    last_us = clock.now_us() // _HOUR_US * _HOUR_US
    hours_us = last_us - np.arange(_HOURS - 1, -1, -1) * _HOUR_US
    times = pa.array(np.repeat(hours_us, _DRIVERS), pa.timestamp("us", tz="UTC"))
    table = pa.table(
        {
            "driver_id": pa.array(np.tile(np.arange(1001, 1001 + _DRIVERS), _HOURS)),
            "conv_rate": pa.array(random.random(rows).astype(np.float32)),
            "avg_daily_trips": pa.array(random.integers(0, 40, rows)),
            "fare": pa.array(np.round(random.uniform(80, 400, rows), 2), mask=random.random(rows) < 0.1),
            "event_timestamp": times,
            "created": times,
        }
    )
    pq.write_table(table, path)
    return path


TEMPLATES = (
    Template(
        name="rides",
        about="drivers, with a sample Parquet file and a push source",
        project="rides",
        definitions=_RIDES,
        commands=(
            "hotrow apply",
            "hotrow materialize 2024-01-01 now",
            "hotrow serve                                                         # in another terminal",
            "hotrow get driver_activity driver_id=1001",
            "hotrow push driver_stats_push driver_id=1001 conv_rate=0.9 avg_daily_trips=12",
        ),
        sample=write_driver_stats,
    ),
    Template(
        name="push-only",
        about="clicks of users, pushed only",
        project="clicks",
        definitions=_PUSH_ONLY,
        commands=(
            "hotrow apply",
            "hotrow serve                                                         # in another terminal",
            "hotrow push clicks_push user_id=ann clicks_1h=3 last_article=a-17",
            "hotrow get recommendations user_id=ann",
        ),
    ),
)
