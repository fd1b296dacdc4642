"""What a row costs in a transform that is not compiled, beside one that is: measured, on this machine."""

from dataclasses import dataclass, replace

from hotrow import clock
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms.certificate import RowRunner
from hotrow.transforms.sample import sample_rows
from hotrow.types import BOOL, FLOAT32, FLOAT64, STRING

_ROWS = 256
_LEAST_S = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds a row, of the transform and of a compiled one with the same inputs and outputs."""

    us: float
    compiled_us: float

    def __str__(self) -> str:
        return f"{self.us:.1f} us a row, about {self.us / self.compiled_us:,.0f} times a compiled one"


def python_cost(transform: Transform) -> Cost:
    """The cost of a transform of the mode "python"; raises INVALID where its types have no compiled form."""
    name = transform.code.name
    values = ", ".join(_nothing(output.type.kind, is_list=output.type.is_list) for output in transform.fields)
    source = f"def {name}({', '.join(transform.code.parameters)}):\n    return {values}\n"
    imports = {"numpy": "numpy"} if "numpy" in values else {}
    stand_in = replace(transform, mode="rows", code=FunctionCode(name, source, imports=imports))
    return Cost(_us_a_row(transform), _us_a_row(stand_in))


def _us_a_row(transform: Transform) -> float:
    runner = RowRunner(transform, sample_rows(transform, _ROWS))
    runner.run()
    started_s = clock.monotonic_s()
    runs = 0
    while (took_s := clock.monotonic_s() - started_s) < _LEAST_S:
        runner.run()
        runs += 1
    return 1e6 * took_s / (runs * _ROWS)


def _nothing(kind: int, *, is_list: bool) -> str:
    if is_list:
        return "numpy.zeros(1)"
    return {FLOAT64: "0.0", FLOAT32: "0.0", BOOL: "False", STRING: "''"}.get(kind, "0")
