"""The entities of a read become the keys that the twin makes of them."""

import pytest
from hotrow.codec.entity import keys_from_request, plan_keys
from hotrow.codec.wire import scan_request
from hotrow.errors import Code, HotrowError
from hotrow.v1.column_pb2 import Column
from hotrow.v1.feature_server_pb2 import GetOnlineFeaturesRequest
from hypothesis import given
from hypothesis import strategies as st
from reference.column import column, values_of
from reference.key import encode_key
from support import strategies
from support.codec import ENTITIES, READ, read_keys
from support.schema import join_keys


def request(*columns):
    return GetOnlineFeaturesRequest(entities=columns)


@given(st.data())
def test_keys_of_any_types_are_the_twins(data):
    """Composite keys, columns in any order, integers of either width."""
    keys = data.draw(st.dictionaries(strategies.names, st.sampled_from(strategies.KEY_TYPES), min_size=1, max_size=4))
    n = data.draw(st.integers(0, 5))
    values = {k: [data.draw(strategies.key_value(type_)) for _ in range(n)] for k, type_ in keys.items()}
    sent = {k: "int64" if type_ == "int32" and data.draw(st.booleans()) else type_ for k, type_ in keys.items()}
    columns = [column(k, sent[k], values[k]) for k in data.draw(st.permutations(sorted(keys)))]
    wanted = [encode_key([(keys[k], values[k][row]) for k in sorted(keys)]) for row in range(n)]
    assert read_keys(keys, request(*columns)) == wanted


@given(st.data())
def test_keys_compare_as_their_values(data):
    """As bytes, for every type."""
    type_ = data.draw(st.sampled_from(strategies.KEY_TYPES))
    values = data.draw(st.lists(strategies.key_value(type_), min_size=2, max_size=8))
    keys = read_keys({"k": type_}, request(column("k", type_, values)))
    order = [value.encode() if isinstance(value, str) else value for value in values]
    assert [key for _, key in sorted(zip(order, keys, strict=True))] == sorted(keys)


def test_several_key_sets_share_columns():
    """Each set has its own keys, of all rows; the set of a view without entities has an empty one for each row."""
    types = {"a": "int64", "b": "string", "c": "bool"}
    sets = [["a"], ["a", "b"], [], ["b", "c"], ["a", "b", "c"]]
    values = {"a": [1, 2, 3], "b": ["x", "", "\0"], "c": [True, False, True]}
    plan = plan_keys(join_keys(types), [join_keys({k: types[k] for k in names}) for names in sets])
    columns = [column(k, types[k], values[k]) for k in "cab"]
    keys = keys_from_request(plan, scan_request(request(*columns).SerializeToString(), READ), ENTITIES)
    found = [[keys.one(key_set, row) for row in range(keys.n)] for key_set in range(len(sets))]
    assert found == [[encode_key([(types[k], values[k][row]) for k in names]) for row in range(3)] for names in sets]


def test_a_read_without_join_keys_has_one_empty_key():
    """And takes no columns."""
    assert read_keys({}, request()) == [b""]
    with pytest.raises(HotrowError, match="entities: column 'a' is not known"):
        read_keys({}, request(column("a", "int64", [1])))


def test_zero_rows_have_no_keys():
    """Columns without values are no fault."""
    assert read_keys({"a": "int64", "b": "string"}, request(column("a", "int32", []), column("b", "string", []))) == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "join key 'a' is missing; send an Int64 column"),
        ([column("a", "int64", [1])], "join key 'b' is missing; send a String column"),
        ([column("a", "string", ["1"]), column("b", "string", ["x"])], "'a' is Int64, and the column has String"),
        ([column("a", "float64", [1.0]), column("b", "string", ["x"])], "'a' is Int64, and the column has Float64"),
        ([column("a", "timestamp_us", [1]), column("b", "string", ["x"])], "the column has UnixTimestamp"),
        ([column("a", "int64_list", [[1]]), column("b", "string", ["x"])], "the column has Array"),
        ([column("a", "int64", [1]), column("b", "bytes", [b"x"])], "'b' is String, and the column has Bytes"),
        ([column("a", "int64", [1, 2]), column("b", "string", ["x"])], "column 'b' has 1 rows"),
        ([column("a", "int64", [1, 2]), column("B", "string", ["x", "y"])], "column 'B' is not known"),
        ([column("a", "int64", [1]), column("a", "int64", [1])], "column 'a' is there twice"),
        ([column("a", "int64", [1], statuses=[3]), column("b", "string", ["x"])], "the status of 'a' in row 0"),
    ],
)
def test_what_is_wrong_with_entities_is_told_by_name(columns, message):
    """The join key, its row where it is a row's fault, and the remedy."""
    with pytest.raises(HotrowError, match=message) as caught:
        read_keys({"a": "int64", "b": "string"}, request(*columns))
    assert caught.value.code is Code.INVALID
    assert caught.value.field in ("a", "b", "B")


def test_strings_of_keys_are_utf_8():
    """A surrogate, as bytes, in the second row."""
    sound = request(column("s", "string", ["é", "?!?"])).SerializeToString()
    with pytest.raises(HotrowError, match="'s' in row 1: the string is not UTF-8"):
        read_keys({"s": "string"}, sound.replace(b"?!?", b"\xed\xa0\x80"))


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ([column("a", "int64", [1, None, 3]), column("b", "string", ["x", "y", "z"])], [True, False, True]),
        ([column("a", "int64", [1, 2, 3]), column("b", "string", [None, "y" * 481, "z"])], [False, False, True]),
        ([column("a", "int64", [1, 2, 3]), column("b", "string", ["\0" * 240, "y", "z"])], [False, True, True]),
        ([column("a", "int64", [1, 2]), Column(name="b", statuses=[2, 2])], [False, False]),
        ([Column(name="a"), Column(name="b")], []),
        ([column("a", "float64", []), Column(name="b")], []),
    ],
)
def test_a_null_or_a_key_that_is_too_long_is_found_nowhere(columns, found):
    """The other entities of the request have the keys that they have alone."""
    whole = read_keys({"a": "int64", "b": "string"}, request(*columns))
    assert [bool(key) for key in whole] == found
    for row, key in enumerate(whole):
        if key:
            values = [values_of(one)[row] for one in columns]
            assert key == encode_key([("int64", values[0]), ("string", values[1])])
