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
    """Title, columns and rows; numbers are aligned to the right."""
    lines = [list(table.columns), *([shown(value) for value in row] for row in table.rows)]
    columns = []
    for place, cells in enumerate(zip(*lines, strict=True)):
        width = max(map(len, cells))
        columns.append([cell.ljust(width) if _is_text(table, place) else cell.rjust(width) for cell in cells])
    return "\n".join([table.title, *("  ".join(line).rstrip() for line in zip(*columns, strict=True))])


def markdown_text(table: Table, columns: tuple[str, ...] | None = None) -> str:
    """A Markdown table, without its title, of all columns or of some."""
    places = [table.columns.index(name) for name in columns or table.columns]
    lines = [[table.columns[place] for place in places]]
    lines.append(["---" if _is_text(table, place) else "--:" for place in places])
    lines += [[shown(row[place]) for place in places] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_text(table: Table, place: int) -> bool:
    return any(isinstance(row[place], str) for row in table.rows)
