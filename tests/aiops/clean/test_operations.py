from __future__ import annotations

import pytest

from twinhelm.aiops.clean.operations import MOST, OTHER, Operations, template


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GET /products/{id}", "GET /products/{id}"),
        ("GET /products/17", "GET /products/{id}"),
        ("GET /a/550e8400-e29b-41d4-a716-446655440000/b", "GET /a/{id}/b"),
        ("GET /a/deadbeef01", "GET /a/{id}"),
        ("GET /v1/facade", "GET /v1/facade"),
        ("GET /sign-in?next=/17", "GET /sign-in"),
        ("GET /u/ann_19840101", "GET /u/{id}"),
        ("GET /k/aB3dE5fG7hI9jK1lM", "GET /k/{id}"),
        ("oteldemo.CartService/GetCart", "oteldemo.CartService/GetCart"),
        ("GET /day/2026-11-23", "GET /day/{id}"),
        ("", ""),
    ],
)
def test_ids_in_names(name: str, said: str) -> None:
    assert template(name) == said


def test_past_the_bound_operations_are_other_until_one_ends() -> None:
    operations = Operations()
    numbers = [operations.number(f"op {'x' * n}", "") for n in range(MOST + 3)]
    assert numbers == [*range(1, MOST + 1), 0, 0, 0]
    assert operations.name(0) == OTHER
    operations.forget(7)
    assert operations.number("op new", "") == 7
    assert operations.name(7) == "op new"
    operations.forget(0)
    assert operations.number(f"op {'x' * (MOST + 1)}", "") == 0


def test_attributes_that_cannot_be_read_matter_to_nobody() -> None:
    operations = Operations()
    for attributes in ("", "{", "[]", '{"http.route": 5}'):
        assert operations.name(operations.number("GET /17", attributes)) == "GET /{id}"
