"""Compiled encoders make what the plain functions make, bit for bit, of any value; and nulls stay nulls."""

import functools

import numpy as np
import pytest
from hotrow import encoders
from hotrow.transforms.certificate import certificate_of
from hypothesis import given, settings
from hypothesis import strategies as st

TERMS = ["a", "abc", "å", "日本", "two words", "ς", "i̇", " a", "bc "]
TEXT = st.text(
    st.one_of(
        st.sampled_from("aAbBΣ\u03c3ςİ\u0131åÅ日 \t\n\u2003.,_-9'ʰ\u0301\u00ad😀ǅK"), st.characters(codec="utf-8")
    ),
    max_size=30,
)
TEXTS = st.one_of(TEXT, st.sampled_from(TERMS))
MANY = st.one_of(st.just(None), st.just(float("nan")), st.floats(), st.sampled_from([0.0, 1.0, 2.0, 3.5, -0.0]))
WHOLE = st.one_of(st.none(), st.integers(-5, 5), st.integers(-(1 << 53), 1 << 53))
TIMES = st.one_of(st.none(), st.integers(-(1 << 62), 1 << 62))


def _lists(elements):
    return st.one_of(st.none(), st.lists(elements, max_size=6))


MADE = {
    "impute": ("x", MANY, functools.partial(encoders.impute, fill=3.5)),
    "impute_integer": ("n", WHOLE, functools.partial(encoders.impute, fill=3)),
    "impute_string": ("text", st.one_of(st.none(), TEXTS), functools.partial(encoders.impute, fill="göteborg")),
    "impute_bool": ("ok", st.one_of(st.none(), st.booleans()), functools.partial(encoders.impute, fill=True)),
    "standard_scale": ("x", MANY, functools.partial(encoders.standard_scale, mean=0.1, scale=0.3)),
    "standard_scale_integer": ("n", WHOLE, functools.partial(encoders.standard_scale, mean=0.1, scale=0.3)),
    "min_max_scale": ("x", MANY, functools.partial(encoders.min_max_scale, minimum=-0.1, maximum=7.3)),
    "robust_scale": ("x", MANY, functools.partial(encoders.robust_scale, center=0.1, scale=0.7)),
    "clip": ("x", MANY, functools.partial(encoders.clip, lower=-1.0, upper=2.0)),
    "clip_integer": ("n", WHOLE, functools.partial(encoders.clip, lower=-1)),
    "bucketize": ("x", MANY, functools.partial(encoders.bucketize, edges=[0, 1, 2, 3.5])),
    "bucketize_integer": ("n", WHOLE, functools.partial(encoders.bucketize, edges=[0, 1, 2, 3.5])),
    "one_hot": ("text", st.one_of(st.none(), TEXTS), functools.partial(encoders.one_hot, categories=TERMS)),
    "one_hot_integer": ("n", WHOLE, functools.partial(encoders.one_hot, categories=[-2, 0, 3], unknown="ignore")),
    "one_hot_bool": ("ok", st.one_of(st.none(), st.booleans()), encoders.one_hot),
    "one_hot_columns": ("text", TEXTS, functools.partial(encoders.one_hot, categories=TERMS[:2], columns=True)),
    "multi_hot": ("tags", _lists(TEXTS), functools.partial(encoders.multi_hot, labels=TERMS)),
    "multi_hot_integer": ("ids", _lists(st.integers(-3, 4)), functools.partial(encoders.multi_hot, labels=[-2, 0, 3])),
    "multi_hot_text": ("text", TEXTS, functools.partial(encoders.multi_hot, labels=TERMS, separator=" ")),
    "hash_bucket": ("text", TEXTS, functools.partial(encoders.hash_bucket, buckets=7)),
    "hash_bucket_integer": ("n", WHOLE, functools.partial(encoders.hash_bucket, buckets=7)),
    "hashed": ("text", TEXTS, functools.partial(encoders.hashed, width=5)),
    "hashed_parts": ("text", TEXTS, functools.partial(encoders.hashed, width=5, separator="a")),
    "hashed_list": ("tags", _lists(TEXTS), functools.partial(encoders.hashed, width=5)),
    "char": ("text", TEXTS, functools.partial(encoders.char_ngrams, n=(1, 3), terms=TERMS)),
    "char_hashed": ("text", TEXTS, functools.partial(encoders.char_ngrams, n=(2, 4), terms=23, lowercase=False)),
    "char_in_words": ("text", TEXTS, functools.partial(encoders.char_ngrams, n=(1, 5), terms=23, in_words=True)),
    "word": ("text", TEXTS, functools.partial(encoders.word_ngrams, n=(1, 3), terms=23)),
    "word_vocabulary": ("text", TEXTS, functools.partial(encoders.word_ngrams, n=(1, 2), terms=TERMS)),
    "date_parts": (
        "at",
        TIMES,
        functools.partial(encoders.date_parts, parts=["year", "week", "day_of_year", "second"]),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_compiled_and_plain_are_the_same(view, run, name):
    """Over random rows: NaN, infinities, empty strings, code points beyond the basic plane, nulls, unknown values."""
    field, values, make = MADE[name]
    encoder = make("made", view[field])

    @settings(max_examples=60, deadline=None)
    @given(st.lists(values, min_size=1, max_size=20))
    def check(rows):
        made = run(encoder, rows)
        if not name.startswith(("impute", "one_hot_columns", "date_parts")):
            assert all(one is None for one, row in zip(made, rows, strict=True) if row is None)

    check()


@pytest.mark.parametrize("name", ["one_hot", "multi_hot", "char", "word_vocabulary", "bucketize", "impute_string"])
def test_an_encoder_is_certified(view, name):
    """Its certificate meets known terms, not unknown ones alone."""
    field, _, make = MADE[name]
    golden = certificate_of(make("made", view[field]))["golden"]
    values = [result[0][1] for _, result in golden if result[0][0] == 1]
    assert len({str(value) for value in values}) > 1


def test_every_code_point_is_lowered_and_parted_as_in_python(view, run):
    """Each character of Unicode on its own, beside letters, and around a capital sigma."""
    points = [chr(point) for point in (*range(0xD800), *range(0xE000, 0x110000))]
    rows = ["".join(points[at : at + 4096]) for at in range(0, len(points), 4096)]
    run(encoders.char_ngrams("chars", view["text"], n=(1, 1), terms=4096), rows)
    run(encoders.word_ngrams("words", view["text"], terms=4096), rows)
    cased = [c for c in points[:0x1F000] if c.lower() != c or not c.isalpha()][::3]
    rows = [
        "".join(f"a{c}b {c}c \u03a3{c} a{c}\u03a3 " for c in cased[at : at + 64]) for at in range(0, len(cased), 64)
    ]
    run(encoders.word_ngrams("words", view["text"], terms=4096), rows[:200])


def test_a_vocabulary_of_thousands_is_searched(view, matrix):
    """Every term is found at its place, and its neighbours are not."""
    terms = [f"term{number}" for number in range(5000)]
    encoder = encoders.one_hot("many", view["text"], categories=terms, unknown="ignore")
    rows = [*terms[::97], "term", "term5000", ""]
    made = matrix(encoder, rows)
    assert made.argmax(axis=1)[:-3].tolist() == list(range(0, 5000, 97))
    assert np.array_equal(made.sum(axis=1), [1.0] * (len(rows) - 3) + [0.0] * 3)
