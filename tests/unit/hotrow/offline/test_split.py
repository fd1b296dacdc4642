"""The halves of a request hold its rows, in order, and all else that it says."""

from hotrow.offline.split import describe_row, split_request
from hotrow.v1.feature_ingest_pb2 import MaterializeRowsRequest
from reference.column import TYPES, column, values_of
from support.schema import view as feature_view

ONE = {"string": "é", "bytes": b"\0\xff", "bool": True}


def _request(rows):
    columns = [column("id", "int64", list(range(rows)))]
    for number, type_ in enumerate(TYPES):
        one = ONE.get(type_.removesuffix("_list"), 7)
        values = [[one] * (row % 3) if type_.endswith("_list") else one for row in range(rows)]
        columns.append(column(f"f{number}", type_, [None if row % 4 == 3 else values[row] for row in range(rows)]))
    return MaterializeRowsRequest(
        project="p",
        view="v",
        snapshot="s",
        op=1,
        rows=columns,
        event_time_us=range(rows),
        created_time_us=range(rows),
        watermark_us=9,
    )


def _halved(request):
    """Every row by itself, by halving."""
    halves = split_request(request)
    return [one for half in halves for one in _halved(half)] if halves else [request]


def test_all_rows_of_every_type_come_back_in_order():
    """Each once, with its times; the watermark is the last one's."""
    whole = _request(11)
    singles = [MaterializeRowsRequest.FromString(one) for one in _halved(whole.SerializeToString())]
    assert len(singles) == 11
    for place, field in enumerate(whole.rows):
        assert [values_of(one.rows[place])[0] for one in singles] == values_of(field)
    assert [one.event_time_us[0] for one in singles] == list(range(11))
    assert [one.created_time_us[0] for one in singles] == list(range(11))
    assert [one.HasField("watermark_us") for one in singles] == [False] * 10 + [True]
    assert {(one.project, one.view, one.snapshot, one.op) for one in singles} == {("p", "v", "s", 1)}


def test_a_row_is_named_by_its_keys_and_its_time():
    """Of a view without join keys, by its time alone."""
    request = MaterializeRowsRequest(
        view="v", rows=[column("id", "int64", [5]), column("name", "string", ["å"])], event_time_us=[0]
    )
    data = request.SerializeToString()
    assert split_request(data) is None
    named = describe_row(data, feature_view({"id": "int64", "name": "string"}, {"x": "bool"}))
    assert named == "id=5, name='å' of 1970-01-01T00:00:00Z"
    assert describe_row(data, feature_view({}, {"x": "bool"})).startswith("without a key")
