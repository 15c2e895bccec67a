"""Whatever schemathesis makes of /openapi.json is answered as that document says, and nothing is a fault of the service.

May import schemathesis, Hypothesis, pytest and the neighbouring test modules.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api_setting import ended, submit
from key_setting import LockedApi

#: Many calls over lines that other tests cover: measuring them would take longer than the calls.
pytestmark = pytest.mark.no_cover

#: Streams that end with the service only, and one job's, which other tests read.
ENDLESS = ["/events", "/jobs/{image_id}/events"]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

#: As written as schema allows, and as it does not; the same ones in every run.
EXAMPLES = {GenerationMode.POSITIVE: 16, GenerationMode.NEGATIVE: 8}
#: Operations of which some requests must be taken: only few of those that fit the description name what there is.
ACCEPTED, MORE = ("POST /images", "POST /estimate"), 4

Seen = dict[str, Counter[int]]


class _Described:
    """A served API with its admin's key, an ended job, and what it says of itself."""

    def __init__(self, api: LockedApi) -> None:
        self._url = api.url
        # No prompt that begins with `hold` keeps a slot.
        api.release()
        self._headers = {"Authorization": f"Bearer {api.make_admin()}"}
        with api.client() as client:
            client.headers.update(self._headers)
            self.image_id = submit(client)
            ended(client, self.image_id)
            self.document: dict[str, Any] = client.get("/openapi.json").json()

    def operations(self) -> Iterator[Any]:
        """Every operation of the document that comes to an end."""
        schema = schemathesis.openapi.from_dict(self.document)
        schema.config.update(base_url=self._url)
        for found in schema.exclude(path=ENDLESS).get_all_operations():
            assert isinstance(found, Ok), found
            yield found.ok()

    def faults(self, operation: Any, mode: GenerationMode, seen: Counter[int], **known: Any) -> list[str]:
        """How the answers to the operation's requests differ from what is described; `known` are fixed parts of it."""

        @settings(
            max_examples=EXAMPLES[mode] * (MORE if operation.label in ACCEPTED else 1),
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode, **known))
        def tried(case: schemathesis.Case[Any]) -> None:
            answer = case.call(headers=self._headers, timeout=10)
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS, headers=self._headers)

        try:
            tried()
        except FailureGroup as found:
            return [f"{operation.label}: {fault}" for fault in found.exceptions]
        except Unsatisfiable:
            # Nothing about it can be wrong: it takes no parameters, or any text.
            assert mode is GenerationMode.NEGATIVE, operation.label
        return []


@pytest.fixture(scope="module")
def described() -> Iterator[_Described]:
    # Nobody waits in earnest.
    with LockedApi(config={"max_wait_s": 0.05}).serving() as api:
        yield _Described(api)


def _all(described: _Described, mode: GenerationMode) -> tuple[list[str], Seen]:
    seen: Seen = {}
    faults: list[str] = []
    for operation in described.operations():
        faults += described.faults(operation, mode, seen.setdefault(operation.label, Counter()))
    return faults, seen


def test_requests_as_described_are_answered_as_described(described: _Described) -> None:
    faults, seen = _all(described, GenerationMode.POSITIVE)
    assert not faults, "\n\n".join(faults)
    assert all(seen.values()), seen
    # They get past the checks of the fields; with `Prefer: wait` the job may have ended by the answer.
    for label in ACCEPTED:
        assert {200, 202} & seen[label].keys(), seen


def test_requests_that_are_not_as_described_are_answered_as_described(described: _Described) -> None:
    faults, seen = _all(described, GenerationMode.NEGATIVE)
    assert not faults, "\n\n".join(faults)
    assert seen["POST /images"].keys() <= {400, 422}, seen


def test_what_is_asked_about_a_job_is_answered_as_described(described: _Described) -> None:
    seen: Seen = {}
    faults: list[str] = []
    about = [
        operation
        for operation in described.operations()
        if operation.method == "get" and "{image_id}" in operation.path
    ]
    for operation in about:
        counter = seen.setdefault(operation.label, Counter())
        known = {"image_id": described.image_id}
        faults += described.faults(operation, GenerationMode.POSITIVE, counter, path_parameters=known)
    assert not faults, "\n\n".join(faults)
    for path in ("/status/{image_id}", "/jobs/{image_id}", "/image/{image_id}", "/image/{image_id}/thumbnail"):
        assert seen[f"GET {path}"][200], seen
