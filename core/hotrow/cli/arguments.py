"""A command's arguments and options as one frozen dataclass, so that what travels together is one value."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def takes(arguments: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Make a command of a function of one dataclass: typer sees a parameter for each of its fields."""

    def decorate(run: Callable[[T], None]) -> Callable[..., None]:
        def command(**values: Any) -> None:
            run(arguments(**values))

        signature = inspect.signature(arguments, eval_str=True)
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
        command.__doc__, command.__name__ = run.__doc__, run.__name__
        return command

    return decorate
