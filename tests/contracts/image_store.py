"""The promises of `ImageStore`: pictures are whole, found again, never overwritten, and gone when deleted.

May import pytest, the core and the neighbouring modules; knows no adapter.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import ClassVar

import attrs
import pytest

from contracts.samples import a_picture, a_result, png
from imaging_core.errors import CallRejected, ImageNotAvailable, StorageFull, Unavailable
from imaging_core.ids import new_job_id
from imaging_core.images import Generated, GeneratedImage, ImageRef, InputImage
from imaging_core.opened import whole
from imaging_core.ports import ImageStore


async def read(store: ImageStore, ref: ImageRef) -> bytes:
    """All bytes of a stored picture."""
    return await whole(await store.open(ref))


def an_input(key: str, data: bytes) -> InputImage:
    """The record of a stored picture that a job begins with."""
    return InputImage(
        key=key, media_type="image/png", size=len(data), sha256=hashlib.sha256(data).hexdigest(), width=64, height=48
    )


class ImageStoreContract:
    """Every numbered promise of `ImageStore`. A subclass supplies `store` and `full_store`."""

    #: Length in bytes from which a picture surely comes as a stream.
    large: ClassVar[int] = 9_000_000

    @pytest.fixture
    def store(self) -> ImageStore:
        """An empty store with room for 100 MB."""
        raise NotImplementedError("supply the store to try")

    @pytest.fixture
    def full_store(self) -> ImageStore:
        """An empty store with no room for one picture of 100 kB."""
        raise NotImplementedError("supply a store that has no room")

    async def reopened(self, store: ImageStore) -> ImageStore:
        """The pictures as another process finds them, for stores that outlive theirs; else the same store."""
        return store

    @pytest.fixture
    def job_id(self) -> str:
        """The id of a job nobody has stored anything of."""
        return new_job_id()

    async def test_1_a_stored_call_is_found_whole(self, store: ImageStore, job_id: str) -> None:
        generated = a_result(3, seed=40, credits=6.5)

        stored = await store.put(job_id, 0, generated, first_image=0)

        assert await store.find(job_id) == [stored] or tuple(await store.find(job_id)) == (stored,)
        assert (stored.call, stored.filtered, stored.credits) == (0, 0, 6.5)
        assert [await read(store, ref) for ref in stored.images] == [image.data for image in generated.images]

    async def test_1_a_reader_sees_the_whole_call_or_nothing(self, store: ImageStore, job_id: str) -> None:
        generated = a_result(4)
        putting = asyncio.ensure_future(store.put(job_id, 0, generated, first_image=0))
        seen = [await store.find(job_id)]

        while not putting.done():
            seen.append(await store.find(job_id))
            await asyncio.sleep(0)

        stored = await putting
        assert {len(found) for found in seen} <= {0, 1}
        assert all(found[0] == stored for found in seen if found)
        assert tuple(await store.find(job_id)) == (stored,)

    async def test_1_a_stored_call_outlives_the_process(self, store: ImageStore, job_id: str) -> None:
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        again = await self.reopened(store)

        assert tuple(await again.find(job_id)) == (stored,)
        assert await read(again, stored.images[0]) == a_result().images[0].data

    async def test_2_the_first_writer_wins(self, store: ImageStore, job_id: str) -> None:
        first = await store.put(job_id, 0, a_result(2, seed=1, credits=1.0), first_image=0)

        second = await store.put(job_id, 0, a_result(1, seed=99, credits=9.0), first_image=0)

        assert second == first
        assert tuple(await store.find(job_id)) == (first,)
        assert await read(store, first.images[0]) == a_picture(seed=1).data

    async def test_2_of_concurrent_writers_one_wins(self, store: ImageStore, job_id: str) -> None:
        got = await asyncio.gather(
            *(store.put(job_id, 0, a_result(2, seed=100 * n), first_image=0) for n in range(1, 9))
        )

        assert len({stored.images[0].seed for stored in got}) == 1
        assert all(stored == got[0] for stored in got)
        assert tuple(await store.find(job_id)) == (got[0],)
        for ref in got[0].images:
            assert await read(store, ref) == a_picture(seed=ref.seed).data

    async def test_3_calls_are_found_in_order_with_facts_that_match_the_bytes(
        self, store: ImageStore, job_id: str
    ) -> None:
        for call in (2, 0, 10, 1):
            await store.put(job_id, call, a_result(2, seed=10 * call), first_image=2 * call)
        await store.put(new_job_id(), 5, a_result(), first_image=0)

        found = await store.find(job_id)

        assert [stored.call for stored in found] == [0, 1, 2, 10]
        refs = [ref for stored in found for ref in stored.images]
        assert [ref.index for ref in refs] == [0, 1, 2, 3, 4, 5, 20, 21]
        assert [ref.seed for ref in refs] == [0, 1, 10, 11, 20, 21, 100, 101]
        for ref in refs:
            data = await read(store, ref)
            assert (ref.size, ref.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert (ref.width, ref.height, ref.media_type) == (8, 6, "image/png")

    async def test_3_nothing_is_found_of_an_unknown_job(self, store: ImageStore) -> None:
        for unknown in (new_job_id(), "", "..", "../" + new_job_id(), "é\x00"):
            assert list(await store.find(unknown)) == []

    async def test_4_filtered_pictures_are_counted_and_not_kept(self, store: ImageStore, job_id: str) -> None:
        stored = await store.put(job_id, 0, a_result(3, seed=7, credits=3.0, filtered=(1,)), first_image=0)

        assert (stored.filtered, stored.credits) == (1, 3.0)
        # A picture keeps its position, and with it its seed, whatever became of its neighbours.
        assert [(ref.index, ref.seed) for ref in stored.images] == [(0, 7), (2, 9)]
        assert [await read(store, ref) for ref in stored.images] == [a_picture(seed=s).data for s in (7, 9)]

    async def test_4_a_call_that_was_filtered_wholly_is_still_on_record(self, store: ImageStore, job_id: str) -> None:
        stored = await store.put(job_id, 0, a_result(2, credits=2.0, filtered=(0, 1)), first_image=0)

        assert (stored.images, stored.filtered, stored.credits) == ((), 2, 2.0)
        assert tuple(await store.find(job_id)) == (stored,)

    async def test_5_a_small_picture_comes_in_one_piece(self, store: ImageStore, job_id: str) -> None:
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        opened = await store.open(stored.images[0])

        assert isinstance(opened, bytes | memoryview)

    async def test_5_what_was_opened_stays_as_it_is_while_others_are_opened(
        self, store: ImageStore, job_id: str
    ) -> None:
        stored = await store.put(job_id, 0, a_result(8), first_image=0)
        pictures = a_result(8).images

        for _ in range(2):
            opened = [await store.open(ref) for ref in stored.images]
            assert [await whole(one) for one in opened] == [picture.data for picture in pictures]

    async def test_5_a_large_picture_comes_as_a_stream(self, store: ImageStore, job_id: str) -> None:
        side = int((self.large / 3) ** 0.5) + 1
        data = png(side, side, packed=False)
        picture = GeneratedImage(data=data, media_type="image/png", width=side, height=side, seed=1)
        stored = await store.put(job_id, 0, Generated(images=(picture,)), first_image=0)

        opened = await store.open(stored.images[0])

        assert not isinstance(opened, bytes | memoryview)
        parts = [part async for part in opened]
        assert len(parts) > 1
        assert b"".join(parts) == data

    async def test_5_bytes_that_are_not_as_long_as_recorded_are_not_given(self, store: ImageStore, job_id: str) -> None:
        stored = await store.put(job_id, 0, a_result(), first_image=0)
        ref = stored.images[0]

        for size in (ref.size - 1, ref.size + 1, 0):
            with pytest.raises(ImageNotAvailable):
                await read(store, attrs.evolve(ref, size=size))

    async def test_5_a_picture_that_is_gone_is_not_available(self, store: ImageStore, job_id: str) -> None:
        stored = await store.put(job_id, 0, a_result(), first_image=0)
        await store.delete(job_id)

        with pytest.raises(ImageNotAvailable):
            await read(store, stored.images[0])

    async def test_6_delete_removes_everything_of_a_job_and_nothing_else(self, store: ImageStore, job_id: str) -> None:
        other = await store.put(new_job_id(), 0, a_result(), first_image=0)
        stored = [await store.put(job_id, call, a_result(2), first_image=2 * call) for call in range(2)]

        await store.delete(job_id)
        await store.delete(job_id)
        await store.delete(new_job_id())

        assert list(await store.find(job_id)) == []
        for ref in (ref for call in stored for ref in call.images):
            with pytest.raises(ImageNotAvailable):
                await store.open(ref)
        assert await read(store, other.images[0]) == a_picture(seed=1).data

    async def test_6_a_deleted_call_may_be_stored_anew(self, store: ImageStore, job_id: str) -> None:
        await store.put(job_id, 0, a_result(seed=1), first_image=0)
        await store.delete(job_id)

        stored = await store.put(job_id, 0, a_result(seed=2), first_image=0)

        assert await read(store, stored.images[0]) == a_picture(seed=2).data

    async def test_7_no_room_is_said_and_nothing_half_written_is_found(
        self, full_store: ImageStore, job_id: str
    ) -> None:
        data = png(200, 200, packed=False)
        picture = GeneratedImage(data=data, media_type="image/png", width=200, height=200, seed=1)

        with pytest.raises(StorageFull):
            await full_store.put(job_id, 0, Generated(images=(picture,)), first_image=0)

        assert list(await full_store.find(job_id)) == []
        with pytest.raises((StorageFull, Unavailable)):
            await full_store.check()

    async def test_7_a_store_with_room_says_that_all_is_well(self, store: ImageStore, job_id: str) -> None:
        await store.check()
        await store.put(job_id, 0, a_result(), first_image=0)
        await store.check()

        assert len(await store.find(job_id)) == 1

    @pytest.mark.parametrize(
        "key",
        ["", ".", "..", "/etc/hostname", "../../../../etc/hostname", "..%2f..%2fetc", "x" * 10_000, "a\x00b", "é"],
    )
    async def test_8_a_key_that_the_store_did_not_give_opens_nothing(
        self, store: ImageStore, job_id: str, key: str
    ) -> None:
        stored = await store.put(job_id, 0, a_result(), first_image=0)
        ref = stored.images[0]

        for forged in (key, f"{ref.key}/{key}", f"{key}/{ref.key}"):
            if forged.strip("/.") != ref.key.strip("/."):
                with pytest.raises(ImageNotAvailable):
                    await store.open(attrs.evolve(ref, key=forged))

    # --- the pictures that jobs begin with ---------------------------------------------------------------

    async def test_9_inputs_are_kept_and_survive_the_process(self, store: ImageStore, job_id: str) -> None:
        inputs = {"init_image": png(64, 48), "mask": png(64, 48, packed=False)}

        keys = await store.put_inputs(job_id, inputs)

        assert keys.keys() == inputs.keys()
        again = await self.reopened(store)
        for name, data in inputs.items():
            assert await again.open_input(an_input(keys[name], data)) == data

    async def test_9_inputs_are_not_found_among_the_calls(self, store: ImageStore, job_id: str) -> None:
        await store.put_inputs(job_id, {"init_image": png(64, 48)})
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        assert tuple(await store.find(job_id)) == (stored,)
        assert await read(store, stored.images[0]) == a_picture(seed=1).data

    async def test_9_delete_removes_inputs_too_and_those_of_no_other_job(self, store: ImageStore, job_id: str) -> None:
        other = new_job_id()
        data = png(64, 48)
        keys = await store.put_inputs(job_id, {"init_image": data})
        others = await store.put_inputs(other, {"init_image": data})

        await store.delete(job_id)
        await store.delete(job_id)

        with pytest.raises(ImageNotAvailable):
            await store.open_input(an_input(keys["init_image"], data))
        assert await store.open_input(an_input(others["init_image"], data)) == data

    async def test_9_no_room_for_inputs_is_said_and_none_is_kept(self, full_store: ImageStore, job_id: str) -> None:
        with pytest.raises(StorageFull):
            await full_store.put_inputs(job_id, {"init_image": png(200, 200, packed=False), "mask": png(200, 200)})

        assert list(await full_store.find(job_id)) == []

    async def test_10_an_input_of_another_length_than_recorded_is_not_given(
        self, store: ImageStore, job_id: str
    ) -> None:
        data = png(64, 48)
        keys = await store.put_inputs(job_id, {"mask": data})
        picture = an_input(keys["mask"], data)

        for size in (len(data) - 1, len(data) + 1, 0):
            with pytest.raises(ImageNotAvailable):
                await store.open_input(attrs.evolve(picture, size=size))

    @pytest.mark.parametrize("key", ["", ".", "..", "/etc/hostname", "../../../../etc/hostname", "a\x00b", "é"])
    async def test_8_a_key_that_the_store_did_not_give_opens_no_input(
        self, store: ImageStore, job_id: str, key: str
    ) -> None:
        data = png(64, 48)
        keys = await store.put_inputs(job_id, {"mask": data})
        stored = await store.put(job_id, 0, a_result(), first_image=0)

        for forged in (key, f"{keys['mask']}/{key}", f"{key}/{keys['mask']}", stored.images[0].key):
            if forged.strip("/.") != keys["mask"].strip("/."):
                with pytest.raises(ImageNotAvailable):
                    await store.open_input(attrs.evolve(an_input(keys["mask"], data), key=forged))

    async def test_11_what_the_proof_refuses_is_not_found_and_may_be_stored_whole(
        self, store: ImageStore, job_id: str
    ) -> None:
        assert store.asks_proof
        refused = CallRejected("It is no picture.")

        with pytest.raises(CallRejected) as raised:
            await store.put(job_id, 0, attrs.evolve(a_result(2), proof=_raising(refused)), first_image=0)

        assert raised.value is refused
        assert list(await store.find(job_id)) == []
        stored = await store.put(job_id, 0, a_result(2), first_image=0)
        assert tuple(await store.find(job_id)) == (stored,)
        assert await read(store, stored.images[0]) == a_result(2).images[0].data

    async def test_11_nothing_is_found_before_its_proof_is_there(self, store: ImageStore, job_id: str) -> None:
        asked, proven = threading.Event(), threading.Event()

        def proof() -> None:
            asked.set()
            assert proven.wait(30)

        putting = asyncio.create_task(store.put(job_id, 0, attrs.evolve(a_result(), proof=proof), first_image=0))
        await asyncio.to_thread(asked.wait, 30)

        assert list(await store.find(job_id)) == []
        proven.set()
        stored = await putting
        assert tuple(await store.find(job_id)) == (stored,)


def _raising(error: Exception) -> Callable[[], None]:
    def proof() -> None:
        raise error

    return proof
