"""What goes with a call beside its message, and behind its answer."""

Metadata = tuple[tuple[str, str | bytes], ...]
