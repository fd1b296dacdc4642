"""What hotrow is meant to cost: bounds on figures of the benchmark. They are told as met or not, and assert nothing."""

from dataclasses import dataclass

from tests.bench.measure import Ratio
from tests.bench.record import Figures, Table, Value


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of a section and its bound, an upper one unless `at_least`; `stretch` is what would be better still."""

    figure: str
    bound: float
    stretch: float | None = None
    at_least: bool = False

    def verdict(self, value: float) -> str:
        """In words: met or not, and then by how much it misses."""
        if self.stretch is not None and self._holds(value, self.stretch):
            return "met, and the stretch"
        if self._holds(value, self.bound):
            return "met"
        far = self.bound / value if self.at_least else value / self.bound
        return f"not met, {far:.2f} x off"

    def _holds(self, value: float, bound: float) -> bool:
        return value >= bound if self.at_least else value <= bound


_SIXTEEN = "16 callers"

GOALS = (
    Goal(f"R1 x echo, {_SIXTEEN}", 0.50, 0.38),
    Goal(f"R2 x echo, {_SIXTEEN}", 0.52, 0.40),
    Goal(f"R3 x echo, {_SIXTEEN}", 1.4, 1.0),
    Goal(f"R3 x objects, {_SIXTEEN}", 1 / 12),
    Goal("R4 x (R3 less its lane)", 12.0),
    Goal(f"R1 lane x echo, {_SIXTEEN}", 0.35),
    Goal("R1 lane x echo, 64 callers", 0.30),
    Goal(f"W1 x echo, {_SIXTEEN}", 0.7, 0.5),
    Goal(f"W1 through the server x echo, {_SIXTEEN}", 1.3, 1.0),
    Goal("W1 fsync pushes/s, 64 callers x 1 caller", 5.0, at_least=True),
    Goal("W1 fsync p50 less an fsync, ms, 1 caller", 1.0),
    Goal(f"R1 p99 x alone, pushes to the ingest worker, {_SIXTEEN}", 1.5),
    Goal(f"R1 p99 x alone, pushes through the server, {_SIXTEEN}", 1.5),
    Goal(f"W1000 CPU us a row, {_SIXTEEN}", 5.0, 3.0),
    Goal(f"W1000 through the server CPU us a row, {_SIXTEEN}", 5.0, 3.0),
    Goal("R3: decode rows and encode the reply, ns a value", 25.0, 12.0),
    Goal("R2 x R2 of 10,000 drivers, 10,000,000 drivers", 1.5),
    Goal("seconds until ready", 3.0),
    Goal("first read x median, CPU", 3.0),
    Goal("first read x median, latency", 3.0),
    Goal("first push x median, CPU", 3.0),
    Goal("first push x median, latency", 3.0),
    Goal("server worker MiB", 180.0),
    Goal("MiB that 1,000,000 requests add", 5.0),
    Goal("R2 with a transform x R2", 1.10),
    Goal("R3 with a transform x R3", 1.10),
    Goal("a transform offline x NumPy", 1.3),
    Goal("scikit-learn x one-hot", 5.0, at_least=True),
    Goal("scikit-learn x n-grams of words", 5.0, at_least=True),
    Goal("scikit-learn x n-grams of characters", 5.0, at_least=True),
    Goal("scikit-learn x n-grams inside words", 5.0, at_least=True),
    Goal("R1 x echo, Redis", 0.60),
    Goal("R2 x echo, Redis", 0.65),
    Goal("R3 x echo, Redis", 1.8),
    Goal("R3: Redis's CPU x that of a field a feature", 0.25),
    Goal("Redis: W1000 CPU us a row, of both", 15.0),
    Goal("R1 x echo, lane off", 1.25),
    Goal("R2 x echo, lane off", 1.30),
    Goal("R3 x echo, lane off", 2.0),
)


def _with_derived(figures: Figures) -> Figures:
    """And those that take the figures of two sections."""
    parts = [figures.get(f"{name} CPU us, {_SIXTEEN}") for name in ("R4", "R3", "R3 lane")]
    match parts:
        case [float(thousand), float(hundred), float(lane)]:
            return figures | {"R4 x (R3 less its lane)": thousand / (hundred - lane)}
        case _:
            return figures


def goals_table(measured: Figures) -> Table:
    """Every goal whose figure was measured. The median decides; the interval says how sure that is."""
    figures = _with_derived(measured)
    rows: list[tuple[Value, ...]] = []
    for goal in GOALS:
        value = figures.get(goal.figure)
        if value is not None:
            median = value.median if isinstance(value, Ratio) else value
            bound = ("at least " if goal.at_least else "at most ") + f"{goal.bound:.3g}"
            rows.append((goal.figure, bound, goal.stretch, value, goal.verdict(median)))
    return Table("Targets", ("figure", "target", "stretch", "measured", "verdict"), rows)
