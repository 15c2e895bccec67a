"""The async client against the real API on a real port, through connections that break, and beside the blocking one."""

import asyncio
import inspect
import io
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from PIL import Image

from adapters.demo import DemoGenerator
from api_setting import RunningApi
from contracts.samples import png
from entrypoints.client import ApiError, AsyncImagingClient, ImagingClient, ServiceUnreachable
from imaging_core.jobs import JobStatus
from key_setting import LockedApi


@pytest.fixture
def api() -> Iterator[RunningApi]:
    with RunningApi(DemoGenerator(step_s=0)).serving() as api:
        yield api
        api.release()


@pytest.fixture
async def client(api: RunningApi) -> AsyncIterator[AsyncImagingClient]:
    async with AsyncImagingClient(api.url, timeout_s=10) as client:
        yield client


class Unsteady(httpx.AsyncBaseTransport):
    """A network that does the requests as told, one plan per request, then all of them well.

    `lose` delivers a request and loses its answer, `cut` breaks an answer off after its first piece, `down` delivers nothing.
    """

    def __init__(self, *plans: str) -> None:
        self._plans = list(plans)
        self._real = httpx.AsyncHTTPTransport()
        #: Of the requests that were delivered.
        self.sent: list[httpx.Request] = []
        #: Set by the first request that no plan is left for.
        self.steady = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._plans:
            self.steady.set()
        plan = self._plans.pop(0) if self._plans else "well"
        if plan == "down":
            raise httpx.ConnectError("nobody there")
        self.sent.append(request)
        response = await self._real.handle_async_request(request)
        if plan == "lose":
            await response.aread()
            raise httpx.ReadError("lost")
        if plan == "cut":
            return httpx.Response(response.status_code, headers=response.headers, stream=_Cut(response))
        return response

    async def aclose(self) -> None:
        await self._real.aclose()


class _Cut(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._response.aiter_raw():
            yield data
            break
        await self._response.aclose()
        raise httpx.ReadError("cut")


async def test_from_prompt_to_picture(client: AsyncImagingClient) -> None:
    accepted = await client.submit("a lighthouse", seed=7)
    done = await client.wait(accepted.image_id, timeout_s=10)

    assert (done.status, done.seed, done.cost_credits) == (JobStatus.FINISHED, 7, 3.0)
    assert len((await client.image(done.image_id)).data) == done.images[0].size
    assert (await client.thumbnail(done.image_id, size=64)).media_type == "image/webp"
    await client.delete(done.image_id)
    with pytest.raises(ApiError) as caught:
        await client.status(done.image_id)
    assert caught.value.status == 410


async def test_a_watch_tells_everything_up_to_the_end(client: AsyncImagingClient, api: RunningApi) -> None:
    api.hold()
    image_id = (await client.submit("hold it")).image_id
    seen = []
    async for one in client.watch(image_id):
        seen.append(one)
        if one.job.progress == 0.5:
            api.release()

    assert seen[0].kind == "snapshot"
    assert (seen[-1].kind, seen[-1].job.status) == ("finished", JobStatus.FINISHED)
    assert any(one.kind == "progress" for one in seen)


async def test_a_watch_outlives_breaks_and_tells_no_end_twice(api: RunningApi) -> None:
    network = Unsteady("well", "cut", "cut")
    api.hold()

    def streams() -> list[httpx.Request]:
        return [request for request in network.sent if request.url.path.endswith("/events")]

    async def let_go_in_the_third() -> None:
        await network.steady.wait()
        api.release()

    async with AsyncImagingClient(api.url, transport=network) as client:
        image_id = (await client.submit("hold it")).image_id
        letting_go = asyncio.create_task(let_go_in_the_third())
        ends = [one.job.status async for one in client.watch(image_id) if one.job.status.terminal]
        await letting_go

    assert len(streams()) == 3
    assert all("last-event-id" in request.headers for request in streams()[1:])
    assert ends == [JobStatus.FINISHED]


async def test_a_watch_asks_where_there_is_no_stream(api: RunningApi) -> None:
    class NoStreams(Unsteady):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/events"):
                return httpx.Response(501, text="this proxy streams nothing")
            return await super().handle_async_request(request)

    async with AsyncImagingClient(api.url, transport=NoStreams()) as client:
        image_id = (await client.submit("a mill")).image_id
        seen = [one async for one in client.watch(image_id)]

    assert {one.kind for one in seen} == {"status"}
    assert seen[-1].job.status is JobStatus.FINISHED


async def test_a_submit_whose_answer_is_lost_is_one_job(api: RunningApi) -> None:
    async with AsyncImagingClient(api.url, transport=Unsteady("lose", "down", "lose")) as client:
        accepted = await client.submit("a lighthouse")
        there = [job.image_id async for job in client.every_job()]

    assert there == [accepted.image_id]


async def test_without_patience_a_lost_answer_is_told_at_once(api: RunningApi) -> None:
    async with AsyncImagingClient(api.url, transport=Unsteady("lose"), retry_for_s=0) as client:
        with pytest.raises(ServiceUnreachable) as caught:
            await client.submit("a lighthouse")
    assert caught.value.sent


async def test_a_batch_is_queued_whole_and_listed_over_pages(client: AsyncImagingClient) -> None:
    accepted = await client.submit_all([{"seed": n} for n in range(60)], prompt="a lighthouse")
    await asyncio.gather(*(client.wait(one.image_id, timeout_s=30) for one in accepted))

    listed = [job.image_id async for job in client.every_job(status=JobStatus.FINISHED)]
    assert sorted(listed) == sorted(one.image_id for one in accepted)
    assert (await client.mark(listed[7], favourite=True)).favourite
    assert [job.image_id for job in (await client.jobs(favourite=True, words="light")).jobs] == [listed[7]]
    assert (await client.image(listed[7], file_format="webp")).media_type == "image/webp"
    with pytest.raises(ApiError) as caught:
        await client.submit_all([{"prompt": "a mill"}, {"prompt": "a mill", "seed": -7}])
    assert "requests[1].seed" in caught.value.field_errors


async def test_an_estimate_tells_price_and_place(client: AsyncImagingClient) -> None:
    found = await client.estimate("a lighthouse", count=2)

    assert (found.backend, found.credits, found.paid, found.count) == ("stability", 6.0, True, 2)
    assert (found.accepted, found.obstacles, found.request.checkpoint) == (True, (), "core")


async def test_pictures_are_edited_and_enlarged_by_file_and_by_id(client: AsyncImagingClient) -> None:
    white = io.BytesIO()
    Image.new("L", (64, 64), 255).save(white, "PNG")
    first = await client.edit(
        "a mill", png(64, 64), mask=white.getvalue(), backend="demo", strength=0.5, priority="low"
    )
    done = await client.wait(first.image_id, timeout_s=30)
    assert done.status is JobStatus.FINISHED, done.failure
    assert (await client.input_image(done.image_id)).media_type == "image/png"
    mask = await client.input_image(done.image_id, "mask")
    assert Image.open(io.BytesIO(mask.data)).getextrema() == (255, 255)
    larger = await client.wait((await client.upscale(done.image_id, backend="demo")).image_id, timeout_s=30)

    assert larger.status is JobStatus.FINISHED, larger.failure
    assert larger.images[0].width > done.images[0].width


async def test_a_failed_job_is_tried_again_and_a_held_one_cancelled(
    client: AsyncImagingClient, api: RunningApi
) -> None:
    failed = await client.wait((await client.submit("refuse it")).image_id)
    assert failed.failure is not None
    again = await client.retry(failed.image_id)
    assert (await client.job(again.image_id)).retry_of == failed.image_id
    api.hold()
    held = (await client.submit("hold it")).image_id
    with pytest.raises(TimeoutError, match=r"after 0\.2 s"):
        await client.wait(held, timeout_s=0.2, poll_s=0.05)
    await client.cancel(held)
    assert (await client.wait(held, timeout_s=10)).status is JobStatus.CANCELLED


async def test_a_wrong_webhook_is_told_by_its_field(client: AsyncImagingClient) -> None:
    with pytest.raises(ApiError) as caught:
        await client.submit("a mill", webhook="http://127.0.0.1/x", webhook_events=("finished",))
    assert set(caught.value.field_errors) == {"webhook"}


async def test_the_key_goes_with_every_request_and_is_never_shown() -> None:
    with LockedApi().serving() as api:
        key = api.make_admin()
        async with AsyncImagingClient(api.url, api_key=key) as client:
            assert [job async for job in client.every_job()] == []
            assert key not in repr(client) + repr(vars(client))
        async with AsyncImagingClient(api.url) as stranger:
            with pytest.raises(ApiError) as caught:
                await stranger.jobs()
        assert caught.value.status == 401


async def test_nobody_there_is_told_with_what_to_do() -> None:
    async with AsyncImagingClient("http://127.0.0.1:9", retry_for_s=0) as client:
        assert not await client.alive()
        with pytest.raises(ServiceUnreachable, match="imaging up"):
            await client.backends()


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        found = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in found if name[0] != "_"}

    blocking, awaiting = methods(ImagingClient), methods(AsyncImagingClient)
    awaiting["close"] = awaiting.pop("aclose")

    assert awaiting.items() <= blocking.items()
    of_the_command = {"create_key", "keys", "revoke_key", "local_models", "local_samplers", "local_schedulers"}
    assert blocking.keys() - awaiting.keys() == of_the_command
