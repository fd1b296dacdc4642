"""Section `encoders`: one-hot and n-grams of a million rows, beside scikit-learn's own."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from hotrow import encoders
from hotrow.codec.cells import Block, address_of
from hotrow.offline.transformed import Computation, plan_computation
from hotrow.registry.needed import needed_of
from hotrow.schema.field import Field
from hotrow.schema.transform import Transform
from hotrow.schema.view import FeatureView
from hotrow.types import String

from tests.bench.measure import interval
from tests.bench.record import Figures, Section, Table, Value, rounded
from tests.bench.section import Bench, say

ROWS, CHUNKS, BLOCK_ROWS = 1_000_000, 10, 1 << 13
_TOWNS = """
Borås Eskilstuna Gävle Göteborg Halmstad Helsingborg Jönköping Karlstad Linköping Lund Malmö Norrköping Stockholm
Sundsvall Södertälje Umeå Uppsala Västerås Växjö Örebro
""".split()  # noqa: SIM905 - a line a town would be a page
TERMS = 256
_FITTED_ROWS = 20_000
_NGRAMS = (("of words", "word", (1, 2)), ("of characters", "char", (3, 3)), ("inside words", "char_wb", (2, 3)))

Texts = Sequence[str]


@dataclass(frozen=True, slots=True)
class _Case:
    """What is compared: `encoder`, and scikit-learn's transformer, fitted, over texts that `make` draws.

    `theirs` takes them as a list, or as an array of objects, and makes a sparse matrix.
    """

    name: str
    encoder: Transform
    theirs: Callable[[Texts], Any]
    make: Callable[[int], list[str]]


def measure_encoders(_bench: Bench) -> Section:
    """CPU time of this process, in turns, a tenth of the rows at a time; vectors are compared once.

    Two pairs. Each at its best: scikit-learn from a list of Python's strings to a sparse matrix; hotrow from Arrow's
    memory, "in place", to vectors block by block where a reply or a training set takes them from. And from the same to
    the same: both from an Arrow column to all vectors in one block of memory, dense.
    """
    figures: Figures = {}
    rows: list[tuple[Value, ...]] = []
    for case in _cases():
        _check(case)
        measured = _measure(case)
        sparse, in_place, dense, as_arrow = measured
        by_place = interval([one / other for one, other in zip(sparse, in_place, strict=True)])
        by_arrow = interval([one / other for one, other in zip(dense, as_arrow, strict=True)])
        figures[f"scikit-learn x {case.name}"] = by_place
        say(f"  {case.name}: scikit-learn takes {by_place} times as long, {by_arrow} from Arrow to dense")
        costs = [rounded(float(np.median(one)) * CHUNKS / ROWS * 1e6) for one in measured]
        rows.append((case.name, *costs[:2], by_place, *costs[2:], by_arrow))
    heads = (
        "encoder",
        "scikit-learn us",
        "in place us",
        "x",
        "scikit-learn, Arrow to dense us",
        "as Arrow us",
        "x dense",
    )
    return Section([Table(f"Encoders, {ROWS:,} rows, CPU us a row", heads, rows)], figures)


def _cases() -> list[_Case]:
    from sklearn.feature_extraction.text import CountVectorizer  # noqa: PLC0415 - for this section alone
    from sklearn.preprocessing import OneHotEncoder  # noqa: PLC0415

    view = FeatureView("rows", schema=[Field("text", String)])
    one_hot = OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(np.array(_TOWNS, object).reshape(-1, 1))
    cases = [
        _Case(
            "one-hot",
            encoders.one_hot("hot", view["text"], categories=_TOWNS, unknown="ignore"),
            lambda texts: one_hot.transform(np.array(texts, object).reshape(-1, 1)),
            lambda seed: random.Random(seed).choices(_TOWNS, k=ROWS // CHUNKS),
        )
    ]
    for name, analyzer, n in _NGRAMS:
        counter = CountVectorizer(analyzer=analyzer, ngram_range=n, max_features=TERMS, dtype=np.float32)
        counter.fit(_texts(0)[:_FITTED_ROWS])
        terms = counter.get_feature_names_out().tolist()
        encoder = (
            encoders.word_ngrams("words", view["text"], n=n, terms=terms)
            if analyzer == "word"
            else encoders.char_ngrams("chars", view["text"], n=n, terms=terms, in_words=analyzer == "char_wb")
        )
        cases.append(_Case(f"n-grams {name}", encoder, counter.transform, _texts))
    return cases


def _texts(seed: int) -> list[str]:
    """Texts of eight words, drawn from two thousand of two to eight letters."""
    dice = random.Random(1)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyzåäö", k=dice.randint(2, 8))) for _ in range(2000)]
    dice = random.Random(seed)
    return [" ".join(dice.choices(words, k=8)) for _ in range(ROWS // CHUNKS)]


class _Ours:
    """An encoder over columns of texts."""

    def __init__(self, encoder: Transform) -> None:
        needed = needed_of([(encoder, encoder.fields[0])], stored=False)
        computation = plan_computation(needed)
        assert computation is not None
        self._computation: Computation = computation
        self._output = needed.column_of(encoder, encoder.fields[0].name)
        ((self._input, _),) = [one for columns in needed.of_views.values() for one in columns]
        self._memory = [np.zeros(2 * BLOCK_ROWS, np.int64) for _ in range(2)]
        self._statuses = np.ones(2 * BLOCK_ROWS, np.uint8)

    def as_arrow(self, column: pa.Array) -> pa.Array:
        return self._computation.run({self._input: column}, len(column))[self._output]

    def in_place(self, column: pa.Array) -> None:
        """Block by block; a cell points to its text in Arrow's memory, as in a training set."""
        words, lengths = self._memory
        offsets = np.frombuffer(column.buffers()[1], np.int64)
        starts, sizes = offsets[:-1] + column.buffers()[2].address, np.diff(offsets)
        for start in range(0, len(column), BLOCK_ROWS):
            n = min(BLOCK_ROWS, len(column) - start)
            place = slice(self._input * n, self._input * n + n)
            words[place], lengths[place] = starts[start : start + n], sizes[start : start + n]
            self._statuses[place] = 1
            block = Block(address_of(words), address_of(lengths), address_of(self._statuses), 0, n)
            self._computation.program.run(block)


def _measure(case: _Case) -> tuple[list[float], ...]:
    """CPU seconds of each chunk: scikit-learn's to sparse, ours in place, scikit-learn's to dense, ours as Arrow."""
    ours = _Ours(case.encoder)
    taken_s: tuple[list[float], ...] = ([], [], [], [])
    for chunk in range(CHUNKS):
        texts = case.make(chunk)
        column = pa.array(texts, pa.large_string())
        runs = (
            partial(case.theirs, texts),
            partial(ours.in_place, column),
            partial(_dense, case, column),
            partial(ours.as_arrow, column),
        )
        for taken, run in zip(taken_s, runs, strict=True):
            taken.append(_cpu_s(run))
    return taken_s


def _dense(case: _Case, column: pa.Array) -> Any:
    return case.theirs(column.to_numpy(zero_copy_only=False)).toarray()


def _check(case: _Case) -> None:
    texts = case.make(0)[:2000]
    made = _Ours(case.encoder).as_arrow(pa.array(texts, pa.large_string()))
    vectors = made.values.to_numpy().reshape(len(texts), -1)
    np.testing.assert_array_equal(vectors, case.theirs(texts).toarray())


def _cpu_s(run: Callable[[], Any]) -> float:
    begun_ns = time.process_time_ns()
    run()
    return (time.process_time_ns() - begun_ns) / 1e9
