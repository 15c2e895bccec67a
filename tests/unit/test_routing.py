"""Where a request goes that leaves the choice to the service, and what that may never cost."""

import attrs
import pytest

from auto_setting import REQUEST, Two
from imaging_core.errors import BackendNotConfigured, InvalidRequest, Unavailable
from imaging_core.estimating import estimate
from imaging_core.routing import AUTO, AutoPolicy, NoRoute, Option, Route, choose
from virtual_time import in_virtual_time

HERE = Option(backend="local")
CLOUD = Option(backend="stability", credits=3.0)


def route(*options: Option, **policy: float) -> Route:
    found = choose(options, AutoPolicy(**policy))  # type: ignore[arg-type]
    assert isinstance(found, Route)
    return found


@pytest.mark.parametrize(
    ("here", "cloud", "chosen", "why"),
    [
        ({}, {}, "local", "comes first"),
        ({"wait_s": 60.0}, {}, "local", "comes first"),
        ({"wait_s": 61.0}, {}, "stability", "'local' would let it wait for about 61 s, more than 60 s"),
        ({"trouble": "does not answer"}, {}, "stability", "'local' does not answer"),
        ({"objection": "does not take it: steps: too many"}, {}, "stability", "steps: too many"),
        ({"wait_s": 90.0}, {"wait_s": 80.0}, "stability", "no other is known to begin sooner"),
        ({"wait_s": 90.0}, {"trouble": "does not answer"}, "local", "'stability' does not answer"),
        ({"trouble": "does not answer"}, {"objection": "is too dear: no"}, "local", "'stability' is too dear"),
    ],
)
def test_the_first_that_can_begin_soon_is_chosen_and_the_reason_told(
    here: dict[str, object], cloud: dict[str, object], chosen: str, why: str
) -> None:
    found = route(attrs.evolve(HERE, **here), attrs.evolve(CLOUD, **cloud))  # type: ignore[arg-type]

    assert found.backend == chosen
    assert why in found.reason


@pytest.mark.parametrize("trouble", [None, "does not answer"])
@pytest.mark.parametrize("wait_s", [0.0, 1e6])
def test_no_wait_and_no_outage_takes_a_job_over_the_money_limit(trouble: str | None, wait_s: float) -> None:
    here = attrs.evolve(HERE, trouble=trouble, wait_s=wait_s)

    assert route(here, CLOUD, max_credits=2.9).backend == "local"
    found = choose([CLOUD], AutoPolicy(max_credits=2.9))
    assert found == NoRoute(reason="'stability' would cost 3 credits, and at most 2.9 may be spent on such a job.")


@in_virtual_time
async def test_a_job_records_why_it_went_where_it_went() -> None:
    world = Two()

    first = await world.service.submit(REQUEST, backend=AUTO)
    world.take_down()
    second = await world.service.submit(REQUEST, backend=AUTO)
    named = await world.service.submit(REQUEST, backend="local")

    assert (first.backend, first.route) == ("local", "The service chose 'local'. It is ready, and comes first.")
    assert (second.backend, second.route) == ("stability", "The service chose 'stability'. 'local' does not answer.")
    assert (await world.jobs.get(second.id)).route == second.route
    assert named.route is None


@in_virtual_time
async def test_a_request_that_only_one_backend_takes_goes_there_and_one_that_none_takes_is_refused() -> None:
    world = Two()
    world.take_down()

    job = await world.service.submit(attrs.evolve(REQUEST, steps=30), backend=AUTO)
    with pytest.raises(InvalidRequest) as refused:
        await world.service.submit(attrs.evolve(REQUEST, steps=999), backend=AUTO)

    assert job.backend == "local"
    (problem,) = refused.value.problems
    assert problem.field == "backend"
    assert "'local' does not take it: steps: must be" in problem.message
    assert "'stability' does not take it: steps: is not a setting" in problem.message
    assert "secretive" not in problem.message


@in_virtual_time
async def test_a_batch_is_shared_out_in_the_light_of_what_was_given_before() -> None:
    world = Two(max_wait_s=5.0)

    jobs = await world.service.submit_all([(REQUEST, AUTO)] * 8)
    with pytest.raises(InvalidRequest, match=r"items\[1\].backend"):
        await world.service.submit_all([(REQUEST, AUTO), (attrs.evolve(REQUEST, steps=999), AUTO)])

    assert [job.backend for job in jobs] == ["local"] * 6 + ["stability"] * 2


@in_virtual_time
async def test_a_known_idempotency_key_gives_the_same_job_wherever_a_new_one_would_go() -> None:
    world = Two()
    first = await world.service.submit(REQUEST, backend=AUTO, idempotency_key="k")
    world.take_down()

    assert (await world.service.submit(REQUEST, backend=AUTO, idempotency_key="k")).id == first.id


@in_virtual_time
async def test_an_estimate_tells_where_it_would_go() -> None:
    world = Two()
    world.take_down()

    found = await estimate(world.service, REQUEST, backend=AUTO)

    assert (found.backend, found.credits) == ("stability", 3.0)
    assert found.route == "The service chose 'stability'. 'local' does not answer."


@in_virtual_time
async def test_without_a_backend_of_the_order_and_with_one_that_cannot_be_asked_that_is_said() -> None:
    world = Two(order=("demo",))
    world.service.unconfigured = {"demo": "Backend 'demo' is not set up: set IMAGING_DEMO=1."}
    told = r"set up: demo\. .*IMAGING_DEMO=1\. There is: local, stability\. Name it as the backend, or in IMAGING_AUTO_ORDER\."
    with pytest.raises(BackendNotConfigured, match=told):
        await world.service.submit(REQUEST, backend=AUTO)
    world.service.auto = AutoPolicy(order=("local",))

    async def capabilities() -> object:
        raise Unavailable("It is away.")

    world.here.capabilities = capabilities  # type: ignore[method-assign, assignment]
    with pytest.raises(InvalidRequest, match="cannot be asked"):
        await world.service.submit(REQUEST, backend=AUTO)
