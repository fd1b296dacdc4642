"""Vocabularies: the table finds each term in its first slot, and terms of every length at their own place."""

import numpy as np
import pytest
from hotrow import FeatureView, Field, String, encoders
from hotrow.transforms import term
from hotrow.transforms.certificate import run_rows


def _first_slots(table, digests):
    """What the slot holds where the search for each digest begins."""
    slots = len(table) // 5 * 4
    turns = table[slots:]
    return [table[term._slot(one, turns[term._high(one, 48, len(turns))], slots)] for one in digests]


@pytest.mark.parametrize("terms", [1, 2, 3, 20, 256, 2000])
def test_a_term_is_found_in_its_first_slot(terms):
    """Whatever the number of terms; half of the slots and more are free."""
    digests = [term._mixed(f"term {number}".encode()) for number in range(terms)]
    table = term._table(digests)
    assert _first_slots(table, digests) == list(range(1, terms + 1))
    assert len(table) // 5 * 4 >= max(4, 2 * terms)


def test_terms_of_one_digest_have_slots_of_their_own():
    """No turn parts them: the search goes on to the next slots."""
    table = term._table([12345] * 3 + [7])
    assert sorted(table[: len(table) // 5 * 4]) == [0] * (len(table) // 5 * 4 - 4) + [1, 2, 3, 4]
    start = term._slot(12345, 0, 8)
    assert [table[start + at & 7] for at in range(3)] == [1, 2, 3]


def test_compiled_code_tells_terms_of_every_length_apart():
    """Each byte of a term counts, in the words of eight, in the four before them, and in shorter terms."""
    terms = [""]
    for size in range(1, 42):
        plain = "abcdefgh" * 6
        half = size // 2
        terms += [plain[:size], "X" + plain[1:size], plain[: size - 1] + "Y", plain[:half] + "Z" * (size - half)]
    terms = list(dict.fromkeys(terms))
    view = FeatureView("rows", schema=[Field("text", String)])
    rows = [[one] for one in terms]
    known = terms[::2]
    results = run_rows(encoders.one_hot("hot", view["text"], categories=known), rows)
    places = [int(np.flatnonzero(vector)[0]) for ((_, vector),) in results]
    assert places == [known.index(one) if one in known else len(known) for one in terms]
