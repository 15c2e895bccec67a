"""What the S3 store does besides keeping its port's promises: refusals in plain words, races, links, and what repair asks."""

import asyncio
import socket
from collections.abc import Iterator

import attrs
import httpx
import obstore
import pytest

from adapters.s3 import S3ImageStore, S3Place
from adapters.s3.objects import Objects
from contracts.image_store import read
from contracts.samples import a_picture, a_result
from crash_plans import every_crash
from crash_worker import ACTING, MemoryStage
from imaging_core.errors import ImageNotAvailable, StorageFull, Unavailable
from imaging_core.ids import new_job_id
from imaging_core.images import Generated, GeneratedImage
from imaging_core.opened import whole
from imaging_core.repair import FindingKind, Repair
from s3_endpoint import KEY, SECRET, S3Endpoint, keys, shared_endpoint

LARGE = GeneratedImage(data=bytes(range(256)) * 40_000, media_type="image/png", width=1, height=1, seed=1)


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> S3Endpoint:
    return shared_endpoint(request.config)


@pytest.fixture
def place(endpoint: S3Endpoint) -> S3Place:
    return endpoint.place()


@pytest.fixture
def store(place: S3Place) -> S3ImageStore:
    return S3ImageStore(place)


@pytest.fixture
def job_id() -> str:
    return new_job_id()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


class TestRefusals:
    @pytest.mark.parametrize(
        ("bucket", "sentence", "retry_after_s"),
        [
            (
                "locked",
                r"may not be used with these credentials \(AccessDenied\)\. Allow s3:GetObject, .*s3:ListBucket",
                5,
            ),
            ("stranger", r"does not accept the credentials \(InvalidAccessKeyId\)\. Set AWS_ACCESS_KEY_ID", 5),
            ("expired", r"does not accept the credentials \(ExpiredToken\)", 5),
            ("skewed", r"\(RequestTimeTooSkewed\): its clock is wrong\. Set it", 5),
            ("slow", r"asks for fewer requests \(SlowDown\)", 10),
            (
                "moved",
                r"is in another region\. Set IMAGING_S3_REGION to the bucket's, or correct IMAGING_S3_ENDPOINT",
                5,
            ),
            ("foreign", r"is in another region\. Set IMAGING_S3_REGION=eu-central-1, or", 5),
            ("broken", r"cannot be used now \(InternalError\)", 5),
            ("simple", r"does not know a request that is needed \(NotImplemented\)\. It must support If-None-Match", 5),
            ("careless", r"overwrites in spite of If-None-Match, so two workers could overwrite", 5),
        ],
    )
    async def test_a_refusal_says_what_to_do_and_no_secret(
        self, endpoint: S3Endpoint, bucket: str, sentence: str, retry_after_s: int
    ) -> None:
        with pytest.raises(Unavailable, match=sentence) as refused:
            await S3ImageStore(endpoint.place(bucket)).check()

        assert refused.value.retry_after_s == retry_after_s
        assert refused.value.__cause__ is None
        assert KEY not in str(refused.value)
        assert SECRET not in str(refused.value)

    async def test_a_full_bucket_is_no_room(self, endpoint: S3Endpoint) -> None:
        with pytest.raises(StorageFull, match=r"has no room for another picture \(XMinioStorageFull\)\. Delete old"):
            await S3ImageStore(endpoint.place("full")).check()

    async def test_a_bucket_that_is_not_there_is_named_whatever_is_asked(self, place: S3Place, job_id: str) -> None:
        store = S3ImageStore(attrs.evolve(place, bucket="nowhere-at-all"))
        for ask in (store.check, lambda: store.find(job_id), lambda: store.put(job_id, 0, a_result(), first_image=0)):
            with pytest.raises(Unavailable, match=r"There is no bucket nowhere-at-all at http://127.* Create it"):
                await ask()

    async def test_an_endpoint_that_is_away_is_named(self, place: S3Place, nobody: str) -> None:
        with pytest.raises(Unavailable, match=rf"at {nobody} does not answer\. Check IMAGING_S3_ENDPOINT"):
            await S3ImageStore(attrs.evolve(place, endpoint=nobody)).check()

    async def test_the_place_counts_whatever_the_environment_names(
        self, place: S3Place, monkeypatch: pytest.MonkeyPatch, nobody: str
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", nobody)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", nobody)
        monkeypatch.setenv("AWS_BUCKET", "another")
        monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")

        await S3ImageStore(place).check()

        assert keys(place) == ["some/where/probe"]

    async def test_without_credentials_it_is_said_where_to_put_them(
        self, place: S3Place, monkeypatch: pytest.MonkeyPatch, nobody: str
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", nobody)

        with pytest.raises(Unavailable, match=r"There are no credentials for the bucket .* Set AWS_ACCESS_KEY_ID and"):
            await S3ImageStore(attrs.evolve(place, credentials=None)).check()

    def test_no_secret_is_in_a_repr(self, place: S3Place) -> None:
        assert place.credentials is not None
        assert SECRET not in repr(
            attrs.evolve(place, credentials=attrs.evolve(place.credentials, session_token=SECRET))
        )


class TestPictures:
    async def test_keys_are_those_of_a_folder_below_the_prefix(
        self, store: S3ImageStore, place: S3Place, job_id: str
    ) -> None:
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        assert keys(place) == sorted(
            f"some/where/{job_id[:2]}/{job_id}/{name}" for name in ("0.json", stored.images[0].key.partition("/")[2])
        )

    async def test_an_object_says_what_it_is(self, store: S3ImageStore, place: S3Place, job_id: str) -> None:
        ref = (await store.put(job_id, 0, a_result(), first_image=3)).images[0]

        told = obstore.get(place.client(), f"{job_id[:2]}/{ref.key}").attributes

        assert told == {
            "Content-Type": "image/png",
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": f'inline; filename="{job_id}-3.png"',
        }

    async def test_a_large_picture_goes_in_parts_and_comes_in_pieces(
        self, store: S3ImageStore, place: S3Place, job_id: str
    ) -> None:
        ref = (await store.put(job_id, 0, Generated(images=(LARGE,)), first_image=0)).images[0]

        opened = await store.open(ref)

        assert not isinstance(opened, bytes)
        assert await whole(opened) == LARGE.data
        # The tag of an object that came in parts counts them.
        tag = obstore.head(place.client(), f"{job_id[:2]}/{ref.key}")["e_tag"]
        assert tag is not None
        assert tag.strip('"').endswith("-2")

    @pytest.mark.parametrize("picture", [a_picture(), LARGE], ids=["small", "large"])
    async def test_a_picture_whose_bytes_changed_is_never_given_whole(
        self, store: S3ImageStore, place: S3Place, job_id: str, picture: GeneratedImage
    ) -> None:
        ref = (await store.put(job_id, 0, Generated(images=(picture,)), first_image=0)).images[0]
        obstore.put(place.client(), f"{job_id[:2]}/{ref.key}", picture.data[:-1] + b"!")

        with pytest.raises(ImageNotAvailable, match="damaged: its SHA-256"):
            await read(store, ref)

    async def test_a_large_picture_that_is_cut_short_is_not_begun(
        self, store: S3ImageStore, place: S3Place, job_id: str
    ) -> None:
        ref = (await store.put(job_id, 0, Generated(images=(LARGE,)), first_image=0)).images[0]
        obstore.put(place.client(), f"{job_id[:2]}/{ref.key}", LARGE.data[:-1])

        with pytest.raises(ImageNotAvailable, match="is damaged: it has"):
            await store.open(ref)

    async def test_of_two_writers_the_second_takes_its_pictures_away_again(
        self, store: S3ImageStore, place: S3Place, job_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create, second = Objects.create, S3ImageStore(place)

        def create_after_the_other(objects: Objects, *args: object) -> bool:
            monkeypatch.setattr(Objects, "create", create)
            asyncio.run(second.put(job_id, 0, a_result(seed=2), first_image=0))
            return create(objects, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(Objects, "create", create_after_the_other)
        stored = await store.put(job_id, 0, a_result(seed=1), first_image=0)

        assert [ref.seed for ref in stored.images] == [2]
        assert len(keys(place)) == 2
        assert await read(store, stored.images[0]) == a_picture(seed=2).data

    async def test_a_damaged_record_is_said(self, store: S3ImageStore, place: S3Place, job_id: str) -> None:
        await store.put(job_id, 0, a_result(), first_image=0)
        obstore.put(place.client(), f"{job_id[:2]}/{job_id}/0.json", b'{"call": 0}')

        with pytest.raises(Unavailable, match=r"record 0\.json of a stored call is damaged"):
            await store.find(job_id)
        assert await store.unnamed(job_id, older_than_s=0) == []

    async def test_an_id_that_is_none_is_never_a_key(self, store: S3ImageStore, place: S3Place) -> None:
        for job_id in ("../../etc", "a" * 31, "A" * 32, f"{'a' * 32}\n"):
            with pytest.raises(ValueError, match="not a job id"):
                await store.put(job_id, 0, a_result(), first_image=0)
            await store.delete(job_id)

        assert keys(place) == []


class TestLinks:
    async def test_a_link_leads_to_the_bytes_for_a_quarter_of_an_hour(self, store: S3ImageStore, job_id: str) -> None:
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]

        link = await store.link(ref)

        assert "X-Amz-Expires=900&" in link
        assert SECRET not in link
        async with httpx.AsyncClient() as client:
            answer = await client.get(link)
        assert answer.content == a_picture(seed=1).data
        assert answer.headers["content-type"] == "image/png"

    async def test_a_link_names_the_address_that_callers_know(self, place: S3Place, job_id: str) -> None:
        store = S3ImageStore(attrs.evolve(place, public_endpoint="https://pictures.example"))
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]

        assert (await store.link(ref)).startswith(
            f"https://pictures.example/{place.bucket}/some/where/{job_id[:2]}/{job_id}/0-"
        )

    async def test_there_is_no_link_to_what_is_gone(self, store: S3ImageStore, job_id: str) -> None:
        ref = (await store.put(job_id, 0, a_result(), first_image=0)).images[0]
        await store.delete(job_id)

        with pytest.raises(ImageNotAvailable):
            await store.link(ref)
        with pytest.raises(ImageNotAvailable):
            await store.link(attrs.evolve(ref, key="../../etc"))


class TestRepairAndQuota:
    async def test_repair_finds_and_removes_what_no_job_and_no_record_names(
        self, store: S3ImageStore, place: S3Place
    ) -> None:
        stage = MemoryStage(store=store)
        stray = new_job_id()
        await store.put(stray, 0, a_result(), first_image=0)
        obstore.put(place.client(), "notes.txt", b"not ours")

        assert (await Repair(stage.reader, store, mend=True).run()).left_alone == 1
        report = await Repair(stage.reader, store, mend=True, young_s=0).run()

        assert [(finding.kind, finding.subject) for finding in report.findings] == [
            (FindingKind.PICTURES_WITHOUT_JOB, stray)
        ]
        assert report.clean
        assert keys(place) == ["some/where/notes.txt"]

    async def test_a_picture_that_no_record_names_is_swept_and_the_others_stay(
        self, store: S3ImageStore, place: S3Place, job_id: str
    ) -> None:
        await store.put(job_id, 0, a_result(2), first_image=0)
        stray = f"{job_id[:2]}/{job_id}/0-{'0' * 64}.png"
        obstore.put(place.client(), stray, b"left by a crash")

        assert await store.unnamed(job_id) == []
        assert await store.unnamed(job_id, older_than_s=0) == [stray]
        assert await store.sweep_unnamed(job_id, older_than_s=0) == 1
        (call,) = await store.find(job_id)
        assert len(call.images) == 2
        assert len(keys(place)) == 3

        # The record is lost, and the job still names them.
        obstore.delete(place.client(), f"{job_id[:2]}/{job_id}/0.json")
        assert await store.sweep_unnamed(job_id, older_than_s=0, kept=call.images[:1]) == 1
        assert len(keys(place)) == 1

    async def test_room_is_counted_over_all_processes_when_measured(
        self, store: S3ImageStore, place: S3Place, job_id: str
    ) -> None:
        assert await store.used() == 0
        size = (await store.put(job_id, 0, a_result(), first_image=0)).images[0].size
        assert await store.used() == size

        await S3ImageStore(place).put(new_job_id(), 0, a_result(), first_image=0)

        assert await store.measure() > 2 * size
        assert sorted(await store.job_ids()) == sorted({key.split("/")[3] for key in keys(place)})


@pytest.fixture
def steps_of_a_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may die before each of its requests that stores something."""

    def stepping(name: str) -> object:
        real = getattr(Objects, name)

        def step(*args: object, **kwargs: object) -> object:
            worker = ACTING.get()
            if worker is not None:
                worker.point_in_thread(f"before {name}")
            return real(*args, **kwargs)

        return step

    for name in ("put", "create"):
        monkeypatch.setattr(Objects, name, stepping(name))


@pytest.mark.usefixtures("steps_of_a_put")
async def test_every_crash_over_s3(store: S3ImageStore) -> None:
    assert await every_crash(MemoryStage(store=store), pictures=2, paid=True, depth=1) > 28


async def test_a_store_that_is_left_ends_its_threads(place: S3Place, job_id: str) -> None:
    with S3ImageStore(place) as store:
        await store.put(job_id, 0, a_result(), first_image=0)
        assert store._pool._threads

    for thread in store._pool._threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
    with pytest.raises(RuntimeError, match="after shutdown"):
        await store.find(job_id)
