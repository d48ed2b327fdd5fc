"""Every operation of the API document, asked with good and bad data within a budget."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from twinhelm.core.roles import Role
from web.wing import furnish, wing

BUDGET = settings(max_examples=15, derandomize=True, suppress_health_check=list(HealthCheck))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class Books:
    """Answers wishes without doing anything."""

    def backfill(self, url, **_wish):
        return f"backfill-{len(url)}"

    def import_file(self, path, **_wish):
        return f"import-{len(str(path))}"


@pytest.fixture
def schema(serve_house, new_house, tmp_path):
    house = new_house(server={"listen": "127.0.0.1:0"})
    house.models = wing(house, tmp_path)
    house.workflows = house.models.workflows
    furnish(house)
    house.history = Books()
    house.backup = lambda target, *, by: None
    served = serve_house(house)
    secret = house.identities.create_token("fuzz", [Role.ADMIN], "test")
    headers = {"Authorization": f"Bearer {secret}"}
    yield (
        schemathesis.openapi.from_url(f"{served.url}/api/twinhelm/openapi.json", headers=headers),
        headers,
    )
    house.workflows.close()


def test_no_operation_breaks_its_promises(schema):
    document, headers = schema
    seen = 0
    for found in document.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            if mode is GenerationMode.NEGATIVE and not takes_anything(operation):
                continue

            @BUDGET
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case):
                case.call_and_validate(headers=headers, checks=CHECKS)

            ask()
        seen += 1
    assert seen > 20


def takes_anything(operation):
    """Tell whether an operation has parameters or a body that could be wrong."""
    return bool([*operation.iter_parameters(), *operation.body])
