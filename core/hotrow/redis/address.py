"""Where a server is, and what messages about it say."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis or Valkey server is, and as whom to come. `url` holds no password, and may be shown.

    `what` is kept there, `setting` names the url, and `credentials` says where user and password are set, the latter in
    `secret_setting`; `clustered`, how to say that it is a cluster. With `primary` the hosts of the url are Sentinels,
    commas between, which know where it is.
    """

    url: str
    what: str
    setting: str
    credentials: str
    secret_setting: str
    clustered: str
    username: str = ""
    password: str = field(default="", repr=False)
    primary: str = ""
    sentinel_password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """How messages call it."""
        return f"{self.what} at {self.url}"
