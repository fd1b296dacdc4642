"""Encoders of texts: counts of n-grams of characters and of words."""

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from hotrow.encoders import code
from hotrow.encoders.definition import Kind, Options, made
from hotrow.encoders.vocabulary import (
    Frequent,
    check_terms,
    check_width,
    chosen,
    hashed_constants,
    samples_of,
    text_constants,
    width_of,
)
from hotrow.errors import invalid
from hotrow.schema.canonical import Document
from hotrow.schema.field import Field
from hotrow.schema.function_code import FunctionCode
from hotrow.schema.transform import Transform
from hotrow.transforms.term import IN_WORDS, LOWERCASE, Settings
from hotrow.types import STRING, Array, Float32

MAX_N = 16
FREQUENT = Frequent()


def char_ngrams(
    name: str,
    of: object,
    *,
    n: tuple[int, int] = (3, 3),
    terms: Sequence[str] | Frequent | int = FREQUENT,
    in_words: bool = False,
    lowercase: bool = True,
    **options: Unpack[Options],
) -> Transform:
    """Counts of the n-grams of characters (code points) of a String, Array(Float32); as CountVectorizer.

    `n` are the lowest and the highest n. With `in_words` no n-gram reaches over the end of a word (analyzer "char_wb",
    otherwise "char"). `terms` are the n-grams that are counted, in the order of their places; without them those of the
    source are fitted, sorted. A number is the length of a vector of hashes: an n-gram counts at the place
    `hotrow.hash64(ngram) % length`. Unknown n-grams are not counted.
    """
    parameters = {"n": tuple(n), "in_words": in_words or None, "lowercase": lowercase, **_terms(terms)}
    return made(CHAR_NGRAMS, name, of, parameters, options)


def word_ngrams(
    name: str,
    of: object,
    *,
    n: tuple[int, int] = (1, 1),
    terms: Sequence[str] | Frequent | int = FREQUENT,
    lowercase: bool = True,
    **options: Unpack[Options],
) -> Transform:
    r"""Counts of the n-grams of words of a String, Array(Float32), as CountVectorizer with the analyzer "word".

    A word is `(?u)\b\w\w+\b`: two and more letters, digits or _. The rest is as in `char_ngrams`.
    """
    return made(WORD_NGRAMS, name, of, {"n": tuple(n), "lowercase": lowercase, **_terms(terms)}, options)


def _terms(terms: Sequence[str] | Frequent | int) -> Document:
    return {"width": terms} if isinstance(terms, int) else chosen(terms, "vocabulary")


def settings_of(values: Document, width: int) -> Settings:
    """The settings of the functions of `hotrow.transforms.term`."""
    low, high = values["n"]
    flags = LOWERCASE if values["lowercase"] else 0
    flags |= IN_WORDS if values.get("in_words") else 0
    return low, high, flags, width


def _statistic(field: Field, parameters: Document) -> str:
    if field.type.kind != STRING:
        raise invalid(f"it takes a String, and {field.label} is {field.type}")
    low, high = parameters["n"]
    if type(low) is not int or type(high) is not int or not 1 <= low <= high <= MAX_N:
        raise invalid(f"n is {parameters['n']!r}; give the lowest and the highest n, of 1 to {MAX_N}")
    if "width" in parameters:
        check_width("the vector", parameters["width"])
    if "vocabulary" in parameters:
        check_terms("vocabulary", parameters["vocabulary"], str)
    return "" if "width" in parameters or "vocabulary" in parameters else "terms"


def _code(function: Callable[..., Any]) -> Callable[[Field, Document], FunctionCode]:
    def coded(field: Field, values: Document) -> FunctionCode:
        del field
        if "width" in values:
            return code.code_of(function, hashed_constants(settings_of(values, values["width"])))
        terms = values["vocabulary"]
        settings = settings_of(values, width_of(terms, 0))
        samples = [*terms[:16], "  ".join(terms[:8])]
        return code.code_of(function, text_constants(terms, settings), samples=samples_of(samples))

    return coded


def _vector(name: str, field: Field, values: Document) -> list[Field]:
    del field, values
    return [Field(name, Array(Float32))]


CHAR_NGRAMS = Kind("char_ngrams", _statistic, _code(code.char_ngrams), _vector)
WORD_NGRAMS = Kind("word_ngrams", _statistic, _code(code.word_ngrams), _vector)
KINDS = (CHAR_NGRAMS, WORD_NGRAMS)
