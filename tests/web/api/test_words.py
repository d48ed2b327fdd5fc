import math

import orjson
from pydantic import TypeAdapter

from twinhelm.aiops.types import Anomaly, Direction, Resource
from twinhelm.core.labels import labels_of
from twinhelm.core.roles import Role
from twinhelm.events.identities import Person
from twinhelm.web.api.words import shape


def said(hint, value):
    adapter = TypeAdapter(shape(hint))
    return orjson.loads(adapter.dump_json(adapter.validate_python(value, from_attributes=True)))


def test_a_missing_or_infinite_number_is_null_and_labels_are_an_object():
    labels = labels_of({"__name__": "m", "host": "a"})
    numbers = (0.9, math.nan, math.inf, -math.inf, 1.5, 2.0)
    anomaly = Anomaly(
        7, labels, "host:a", Resource.CPU, Direction.UP, 1000, 2000, None, *numbers, 3
    )
    (shown,) = said(list[Anomaly], (anomaly,))
    assert shown["labels"] == {"__name__": "m", "host": "a"}
    assert (shown["peak_score"], shown["value"], shown["expected"], shown["low"]) == (
        0.9,
        None,
        None,
        None,
    )
    assert (shown["key"], shown["end_ms"], shown["direction"]) == ("7:1000", None, "up")


def test_roles_are_a_sorted_list():
    shown = said(Person, Person("ann", frozenset(Role), 0, has_password=True))
    assert shown["roles"] == sorted(role.value for role in Role)


def test_a_type_of_json_is_left_as_it_is():
    assert shape(dict[str, int]) == dict[str, int]
