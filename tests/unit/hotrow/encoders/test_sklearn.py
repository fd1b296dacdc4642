"""Encoders against scikit-learn: fitted on the same data, they make the same of the same rows.

The comparisons are the table in docs/encoders.md: exact, or within some units in the last place.
"""

import random

import numpy as np
import pandas as pd
import pytest
from hotrow import encoders
from hotrow.encoders.date import PARTS
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    MultiLabelBinarizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

WORDS = "fast taxi Göteborg åka ÅKA Straße ΟΔΟΣ İstanbul naïve x 7 a_b foo-bar 日本語 don't ǅ\n 😀 \t"
TEXTS = [
    " ".join(random.Random(seed).choices(WORDS.split(" "), k=seed % 9)) + "  " * (seed % 3) for seed in range(300)
] + ["", " ", "\u2003\u2003", "Σ", "aΣ", "aΣ.b", "\u0345Σ", "x" * 300]
"""With upper case of several alphabets, white space of Unicode, and what a word is not made of."""


def _column(seed=1, n=400):
    dice = np.random.default_rng(seed)
    return np.concatenate([dice.normal(3.0, 2.0, n), dice.lognormal(0.0, 2.0, n), [-0.0, 0.0, 1e-9, 1e9]])


def _within(made, expected, ulps):
    made, expected = np.asarray(made, float), np.asarray(expected, float).ravel()
    assert np.all(np.isnan(made) == np.isnan(expected))
    there = ~np.isnan(expected)
    assert np.all(np.abs(made - expected)[there] <= ulps * np.spacing(np.abs(expected[there])))


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
def test_impute(view, run, strategy):
    """As SimpleImputer; the mean within 2 units in the last place, the others exactly."""
    column = np.round(_column(), 1)
    column[::7] = np.nan
    fitted = encoders.fit(encoders.impute("filled", view["x"], strategy=strategy), pd.DataFrame({"x": column}))
    expected = SimpleImputer(strategy=strategy).fit_transform(column.reshape(-1, 1))
    _within(run(fitted, column.tolist()), expected, 2 if strategy == "mean" else 0)
    assert run(fitted, [None]) == run(fitted, [float("nan")])


def test_impute_most_frequent_string(view, run):
    """As SimpleImputer, which takes the least of those that are equally frequent."""
    column = ["b", "a", "c", "b", "a", None]
    fitted = encoders.fit(
        encoders.impute("filled", view["text"], strategy="most_frequent"), pd.DataFrame({"text": column})
    )
    sklearn = SimpleImputer(strategy="most_frequent", missing_values=None)
    expected = sklearn.fit_transform(np.array(column, object).reshape(-1, 1)).ravel().tolist()
    assert run(fitted, column) == expected == ["b", "a", "c", "b", "a", "a"]


def test_standard_scale(view, run):
    """As StandardScaler within 8 units in the last place of the largest: mean and deviation are summed otherwise."""
    column = _column()
    fitted = encoders.fit(encoders.standard_scale("scaled", view["x"]), pd.DataFrame({"x": column}))
    scaler = StandardScaler().fit(column.reshape(-1, 1))
    statistics = fitted.encoder["statistics"]
    _within([statistics["mean"], statistics["scale"]], [scaler.mean_[0], scaler.scale_[0]], 8)
    given = encoders.standard_scale("given", view["x"], mean=float(scaler.mean_[0]), scale=float(scaler.scale_[0]))
    rows = [*column.tolist(), float("nan")]
    _within(run(given, rows), scaler.transform(np.reshape(rows, (-1, 1))), 0)


@pytest.mark.parametrize("column", [np.full(1000, 0.1), np.full(3, 1e8), np.zeros(5)])
def test_a_constant_column_is_scaled_by_one(view, run, column):
    """As StandardScaler, which knows it from one that rounding has moved."""
    fitted = encoders.fit(encoders.standard_scale("scaled", view["x"]), pd.DataFrame({"x": column}))
    assert fitted.encoder["statistics"]["scale"] == StandardScaler().fit(column.reshape(-1, 1)).scale_[0] == 1.0
    assert np.allclose(run(fitted, column.tolist()), 0.0)


@pytest.mark.parametrize("feature_range", [(0.0, 1.0), (-1.0, 3.0)])
def test_min_max_scale(view, run, feature_range):
    """As MinMaxScaler, exactly."""
    column = _column()
    encoder = encoders.min_max_scale("scaled", view["x"], feature_range=feature_range)
    fitted = encoders.fit(encoder, pd.DataFrame({"x": column}))
    scaler = MinMaxScaler(feature_range).fit(column.reshape(-1, 1))
    rows = [*column.tolist(), -1e12, 1e12, float("nan")]
    _within(run(fitted, rows), scaler.transform(np.reshape(rows, (-1, 1))), 0)


@pytest.mark.parametrize("quantile_range", [(25.0, 75.0), (1.0, 90.0)])
def test_robust_scale(view, run, quantile_range):
    """As RobustScaler, exactly."""
    column = _column()
    encoder = encoders.robust_scale("scaled", view["x"], quantile_range=quantile_range)
    fitted = encoders.fit(encoder, pd.DataFrame({"x": column}))
    scaler = RobustScaler(quantile_range=quantile_range).fit(column.reshape(-1, 1))
    _within(run(fitted, column.tolist()), scaler.transform(column.reshape(-1, 1)), 0)


def test_clip(view, run):
    """As numpy.clip between given bounds, and between percentiles."""
    column = _column()
    given = encoders.clip("given", view["x"], lower=0.5, upper=4.0)
    _within(run(given, [*column.tolist(), float("nan")]), [*np.clip(column, 0.5, 4.0), np.nan], 0)
    fitted = encoders.fit(encoders.clip("fitted", view["x"], percentiles=(1.0, 99.0)), pd.DataFrame({"x": column}))
    _within(run(fitted, column.tolist()), np.clip(column, *np.percentile(column, [1.0, 99.0])), 0)


@pytest.mark.filterwarnings("ignore:Bins whose width")
@pytest.mark.parametrize(("strategy", "theirs"), [("equal_width", "uniform"), ("quantile", "quantile")])
def test_bucketize(view, run, strategy, theirs):
    """As KBinsDiscretizer, exactly, with buckets that fall together and values beyond what was fitted."""
    column = np.concatenate([_column(), np.full(500, 3.0)])
    encoder = encoders.bucketize("bucket", view["x"], buckets=10, strategy=strategy)
    fitted = encoders.fit(encoder, pd.DataFrame({"x": column}))
    binner = KBinsDiscretizer(10, encode="ordinal", strategy=theirs, subsample=None).fit(column.reshape(-1, 1))
    assert fitted.encoder["statistics"]["edges"] == binner.bin_edges_[0][1:-1].tolist()
    rows = [*column.tolist(), -1e12, 1e12]
    assert run(fitted, rows) == binner.transform(np.reshape(rows, (-1, 1))).ravel().tolist()


@pytest.mark.parametrize("unknown", ["bucket", "ignore"])
def test_one_hot(view, matrix, unknown):
    """As OneHotEncoder, exactly: unknown ones zero everywhere, or in the last place with the infrequent ones."""
    cities = ["sto", "göteborg", "malmö", "日本", "😀", ""] * 20 + ["rare", "once"]
    fitted = encoders.fit(
        encoders.one_hot("city", view["text"], categories=encoders.Frequent(min_rows=3), unknown=unknown),
        pd.DataFrame({"text": cities}),
    )
    handled = "infrequent_if_exist" if unknown == "bucket" else "ignore"
    theirs = OneHotEncoder(handle_unknown=handled, min_frequency=3, sparse_output=False, dtype=np.float32)
    theirs.fit(np.reshape(np.array(cities, object), (-1, 1)))
    rows = [*cities, "nowhere", "st", "stoo"]
    expected = theirs.transform(np.reshape(np.array(rows, object), (-1, 1)))
    made = matrix(fitted, rows)
    if unknown == "ignore":  # there the infrequent have a place of their own all the same
        expected = expected[:, :-1]
    assert np.array_equal(made, expected)


def test_one_hot_of_the_most_frequent(view, matrix):
    """As OneHotEncoder with max_categories, whose number counts the last place."""
    values = [1] * 9 + [5] * 7 + [-3] * 8 + [2] * 2 + [8]
    fitted = encoders.fit(
        encoders.one_hot("n_hot", view["n"], categories=encoders.Frequent(at_most=3)), pd.DataFrame({"n": values})
    )
    theirs = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=4, sparse_output=False, dtype=np.float32
    ).fit(np.reshape(values, (-1, 1)))
    assert np.array_equal(matrix(fitted, [*values, 77]), theirs.transform(np.reshape([*values, 77], (-1, 1))))


@pytest.mark.filterwarnings("ignore:unknown class")
def test_multi_hot(view, matrix):
    """As MultiLabelBinarizer, exactly, of lists and of a text with a separator."""
    rows = [["b", "a"], ["å"], [], ["a", "a", "日本"], ["b", "å"]]
    fitted = encoders.fit(encoders.multi_hot("tags_hot", view["tags"], unknown="ignore"), pd.DataFrame({"tags": rows}))
    theirs = MultiLabelBinarizer().fit(rows)
    tried = [*rows, ["new", "a"]]
    expected = theirs.transform(tried)
    assert np.array_equal(matrix(fitted, tried), expected)
    joined = encoders.multi_hot("text_hot", view["text"], separator="|", unknown="ignore")
    joined = encoders.fit(joined, pd.DataFrame({"text": ["|".join(one) for one in rows]}))
    assert np.array_equal(matrix(joined, ["|".join(one) for one in tried]), expected)
    numbers = [[3, 1], [], [7, 7], [1]]
    ids = encoders.fit(encoders.multi_hot("ids_hot", view["ids"], unknown="ignore"), pd.DataFrame({"ids": numbers}))
    theirs = MultiLabelBinarizer().fit(numbers)
    assert np.array_equal(matrix(ids, [*numbers, [9, 3]]), theirs.transform([*numbers, [9, 3]]))


def _encoder(analyzer, of, ngrams, **more):
    if analyzer == "word":
        return encoders.word_ngrams("counts", of, n=ngrams, **more)
    return encoders.char_ngrams("counts", of, n=ngrams, in_words=analyzer == "char_wb", **more)


@pytest.mark.parametrize("analyzer", ["char", "char_wb", "word"])
@pytest.mark.parametrize(("ngrams", "lowercase"), [((1, 1), True), ((2, 3), True), ((1, 4), False)])
def test_ngrams_with_a_vocabulary(view, matrix, analyzer, ngrams, lowercase):
    """As CountVectorizer, exactly: the vocabulary, its order, and the counts of texts of any alphabet."""
    theirs = CountVectorizer(analyzer=analyzer, ngram_range=ngrams, lowercase=lowercase, dtype=np.float32).fit(TEXTS)
    fitted = encoders.fit(_encoder(analyzer, view["text"], ngrams, lowercase=lowercase), pd.DataFrame({"text": TEXTS}))
    assert fitted.encoder["statistics"]["vocabulary"] == theirs.get_feature_names_out().tolist()
    tried = [*TEXTS, "never seen TAXI taxi fast", "ΑΣ ΑΣΑ", "İİ"]
    assert np.array_equal(matrix(fitted, tried), theirs.transform(tried).toarray())


def test_a_given_vocabulary_keeps_its_order(view, matrix):
    """As CountVectorizer with a vocabulary."""
    terms = ["taxi", "fast taxi", "åka"]
    theirs = CountVectorizer(vocabulary=terms, ngram_range=(1, 2), dtype=np.float32)
    given = encoders.word_ngrams("counts", view["text"], n=(1, 2), terms=terms)
    assert np.array_equal(matrix(given, TEXTS), theirs.transform(TEXTS).toarray())


def test_frequent_terms(view):
    """As CountVectorizer's min_df, max_df and max_features; texts whose counts are all different at the cut."""
    texts = [" ".join(f"w{i:02d}" for i in range(n)) for n in range(40)]
    chosen = encoders.Frequent(min_rows=5, max_share=0.8, at_most=11)
    fitted = encoders.fit(encoders.word_ngrams("counts", view["text"], terms=chosen), pd.DataFrame({"text": texts}))
    theirs = CountVectorizer(min_df=5, max_df=0.8, max_features=11).fit(texts)
    assert fitted.encoder["statistics"]["vocabulary"] == theirs.get_feature_names_out().tolist()


def test_date_parts(view, run):
    """As pandas has them, from the year 1 to 9999."""
    dice = random.Random(3)
    times = [dice.randrange(-62_135_596_800, 253_402_300_799) * 1_000_000 + dice.randrange(10**6) for _ in range(3000)]
    times += [0, -1, 951_782_400_000_000, 1_709_164_800_000_000, 1_735_689_599_999_999, 1_735_689_600_000_000]
    made = pd.DataFrame(run(encoders.date_parts("at", view["at"], parts=PARTS), times), columns=PARTS)
    dates = pd.Series(np.array(times, "datetime64[us]")).dt
    for part in set(PARTS) - {"week", "is_weekend"}:
        assert (made[part] == getattr(dates, part)).all(), part
    assert (made["week"] == dates.isocalendar().week).all()
    assert (made["is_weekend"] == (dates.day_of_week >= 5)).all()
