"""`hotrow warm`: compile the kernels ahead of the first start."""

import typer

from hotrow import clock


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(warm)


def warm() -> None:
    """Compile the kernels, once for a version of hotrow and a kind of CPU.

    Every other command does so when it needs them, which takes some half a minute the first time. The cache is
    $HOTROW_KERNEL_CACHE, or hotrow/kernels in the user's cache folder; once filled it may be made read-only, and used
    by other users, as in a container image.
    """
    begun = clock.monotonic_s()
    from hotrow.codec.compile import warm as fill  # noqa: PLC0415 - loads Numba

    folder = fill()
    print(f"kernels are ready in {folder} ({clock.monotonic_s() - begun:.1f} s)")
