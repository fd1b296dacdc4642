"""Tables as people read them: aligned on a screen, and in Markdown."""

from tests.bench.measure import Ratio
from tests.bench.record import Table, Value


def shown(value: Value) -> str:
    """A value in a cell: three digits are what the noise leaves."""
    if value is None:
        return ""
    if isinstance(value, Ratio | str):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def screen_text(table: Table) -> str:
    """Title, columns and rows, columns aligned to the right but the first."""
    lines = [list(table.columns), *([shown(value) for value in row] for row in table.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.columns))]
    aligned = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(pairs)
        ).rstrip()
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    return "\n".join([table.title, *aligned])


def markdown_text(table: Table, columns: tuple[str, ...] | None = None) -> str:
    """A Markdown table, without its title, of all columns or of some."""
    chosen = columns or table.columns
    places = [table.columns.index(name) for name in chosen]
    lines = ["| " + " | ".join(chosen) + " |", "|" + "|".join("---" if place == 0 else "--:" for place in places) + "|"]
    lines += ["| " + " | ".join(shown(row[place]) for place in places) + " |" for row in table.rows]
    return "\n".join(lines)
