"""Why a slot has a value or none."""

import enum


class Status(enum.IntEnum):
    """The numbers in `Reply.statuses`, those of `hotrow.v1.Status`."""

    PRESENT = 1
    NULL_VALUE = 2
    """The row is there, its value is null."""
    NOT_FOUND = 3
    """There is no row for this entity."""
    OUTSIDE_MAX_AGE = 4
    """The row is older than the view's ttl: the value is withheld, the event time is not."""
    TRANSFORM_ERROR = 5
    """The transform raised for this row."""
