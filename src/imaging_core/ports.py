"""What the core asks of the world: six protocols with numbered promises, each kept by a suite in tests/contracts.

That of the jobs themselves has a file of its own, `repository`. Imports stdlib, attrs and this package's values. No SQL,
path, URL, Pillow or HTTP type appears in a signature. Every method may raise `Unavailable` when the part behind it does
not answer; nothing else foreign may leave an adapter.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

import attrs

from imaging_core.capabilities import Capabilities
from imaging_core.events import JobEvent, JobProgress, Preview
from imaging_core.images import Generated, ImageRef, ImageRequest, InputImage, StoredCall
from imaging_core.opened import Opened
from imaging_core.repository import (
    Beat,
    Idempotency,
    JobPage,
    JobQuery,
    JobRepository,
    Pause,
    Preference,
    QueueLimits,
    QueueState,
)

__all__ = [
    "BackendGate",
    "Beat",
    "CallProgress",
    "GateState",
    "GenerationCall",
    "Generators",
    "Idempotency",
    "ImageGenerator",
    "ImageStore",
    "JobEvents",
    "JobPage",
    "JobQuery",
    "JobQueue",
    "JobRepository",
    "Pause",
    "Permit",
    "Preference",
    "QueueLimits",
    "QueueState",
    "Report",
    "RetryAt",
    "with_instances",
]


class JobQueue(Protocol):
    """The doorbell: says "this backend has work" to whoever can do it.

    1. A ring reaches at least one listener of that backend, if one listens and the bell is whole.
    2. Rings may be lost, late or doubled: nothing but speed depends on them.
    3. `ring` does not wait for the work, and raises Unavailable when the bell cannot be rung.
    """

    async def ring(self, backend: str, job_id: str) -> None:
        """Ring for a backend; the id is for logs only."""
        ...


@attrs.frozen(kw_only=True)
class Permit:
    """The right to make one call on a backend at a time, leased."""

    backend: str
    #: Unique per permit.
    id: str
    #: The one of the backend's instances that it is for, where it has any.
    instance: str | None = None
    #: For how long its call counts as one of now, in s: later than that one must ask `again`. None for no such limit.
    good_for_s: float | None = None


@attrs.frozen(kw_only=True)
class RetryAt:
    """Not now: ask again in `delay_s`."""

    delay_s: float
    #: slots, rate, pause or circuit.
    reason: str


@attrs.frozen(kw_only=True)
class GateState:
    """What a gate lets through now."""

    in_use: int = 0
    slots: int = 1
    #: Seconds until anything is let in again; 0 when it is open.
    closed_for_s: float = 0.0
    #: pause, rate or circuit while closed.
    reason: str | None = None
    #: The same of each instance that was asked about: one slot each, and a circuit of its own.
    instances: "Mapping[str, GateState]" = attrs.field(factory=dict)


def with_instances(state: GateState, instances: Mapping[str, GateState]) -> GateState:
    """A backend's state with that of its instances: as many slots, and closed for as long as every one of them is."""
    if not instances:
        return state
    first = min(instances.values(), key=lambda each: each.closed_for_s)
    return GateState(
        in_use=state.in_use,
        slots=len(instances),
        closed_for_s=first.closed_for_s,
        reason=first.reason,
        instances=instances,
    )


class BackendGate(Protocol):
    """Who may call a backend now: slots, rate limit, pause and circuit, over all workers that share it.

    1. At most `slots` permits of a backend are out at a time.
    2. A permit that is not renewed within its lease is taken back.
    3. `enter` and `again` count one call each against the rate limit; a call over it gets RetryAt, never a permit. It is
       counted as of that moment, so a permit says for how long it is good: who calls later asks `again`.
    4. `pause` closes the backend for everyone until its moment; a longer pause is not shortened by a later one.
    5. After enough refused or failed calls in a row the circuit opens: one trial call at a time after a cool-down, which
       closes it by succeeding. A call that never got through (`leave` with ok None) says nothing about the backend.
    6. Leaving twice, or after the permit was taken back, does no harm.
    7. Backends do not affect each other.
    8. Asked for one of several instances, `enter` gives a permit for the first of them that nobody has a permit for and
       whose own circuit lets it through, so that one permit is out for an instance at a time; it counts no slots.
       What `leave` tells is learnt of that instance alone; pause and rate limit are the whole backend's. Refused, one is
       told "slots" when any of them is only busy.
    """

    async def enter(self, backend: str, *, instances: Sequence[str] = ()) -> Permit | RetryAt:
        """Ask for the right to make a call, on one of these instances if any are named."""
        ...

    async def again(self, permit: Permit) -> RetryAt | None:
        """Ask for one more call under a permit one holds; None means go."""
        ...

    async def beat(self, permit: Permit) -> None:
        """Hold the permit for another lease."""
        ...

    async def leave(self, permit: Permit, *, ok: bool | None = None) -> None:
        """Give the permit back, saying whether the backend answered (True), let us down (False) or was not asked."""
        ...

    async def pause(self, backend: str, *, seconds: float) -> None:
        """Let nobody in for that long."""
        ...

    async def state(self, backend: str, *, instances: Sequence[str] = ()) -> GateState:
        """What the gate lets through now; with instances, closed when each of them is."""
        ...


def _length(data: bytes | None) -> str:
    return "None" if data is None else f"<{len(data)} bytes>"


@attrs.frozen(kw_only=True)
class GenerationCall:
    """One backend call to make."""

    job_id: str
    #: The whole job's request, in canonical spelling with the backend's defaults filled in.
    request: ImageRequest
    #: Which of the job's calls, from 0.
    index: int
    #: How many pictures this call makes.
    images: int
    #: Seed of its first picture; picture k of the call is made with seed + k.
    seed: int
    #: Names this try; unique.
    task_id: str
    #: Names of earlier tries of the same job that may still run on the backend.
    earlier_task_ids: tuple[str, ...] = ()
    #: The instance to make it on, where the backend has any.
    instance: str | None = None
    #: Whether the look at every pixel may be left to the `proof` of what comes back: a store does it beside its writing.
    proof_later: bool = False
    #: The files that the request's `init_image` and `mask` stand for.
    init_image: bytes | None = attrs.field(default=None, repr=_length)
    mask: bytes | None = attrs.field(default=None, repr=_length)


@attrs.frozen(kw_only=True)
class CallProgress:
    """How far one call has come."""

    #: 0..1
    fraction: float
    step: int | None = None
    steps: int | None = None
    #: Seconds left, None when unknown.
    eta_s: float | None = None
    preview: Preview | None = None


#: Takes progress at any time, returns at once, never raises.
Report = Callable[[CallProgress], None]


class ImageGenerator(Protocol):
    """Makes pictures on one backend.

    1. `capabilities` names the backend and everything a request to it may hold; Unavailable when it must ask and gets no
       answer and knows none from before.
    2. `generate` is one backend call: it gives exactly `call.images` pictures, each whole, of the type its bytes show and
       of the size it says; a filtered picture is flagged, never dropped. None is of another call, whatever the backend
       or a gateway sends. Where `call.proof_later` allows it, whether they are whole is for their `proof` to say.
    3. It raises GenerationError and nothing else, and tells truly whether something was sent and may have cost.
    4. Progress rises within 0..1; reporting is optional and never needed for the result.
    5. Cancelled, it stops its own task on the backend within seconds and lets CancelledError through; it never touches
       a stranger's task.
    6. The same call gives the same pictures, as far as the backend allows; the seeds it tells are those really used.
    7. `probe` tells in a sentence that the backend answers, or raises GenerationError saying why it does not.
    8. An edit begins with `call.init_image`, and with a mask leaves what the mask keeps as it was; an upscaled picture is
       the same, larger.
    """

    @property
    def backend(self) -> str:
        """The name callers choose it by."""
        ...

    async def capabilities(self) -> Capabilities:
        """What it can do now."""
        ...

    async def generate(self, call: GenerationCall, *, report: Report) -> Generated:
        """Make one backend call."""
        ...

    async def probe(self) -> str:
        """Whether the backend answers now, and as what; costs nothing."""
        ...


class ImageStore(Protocol):
    """Keeps pictures.

    1. `put` stores a call's pictures and then, last and at once, its record: a reader sees the whole call or nothing.
    2. First writer wins: a later `put` of the same call changes nothing and gets the record that is there.
    3. `find` gives the records of a job's calls in order, with size, sha256 and dimensions that match the bytes.
    4. Pictures flagged filtered are counted in the record; their bytes are not kept.
    5. `open` gives the bytes, checked against their recorded length: a small picture in one piece, a large one as a
       stream; ImageNotAvailable when they are gone. They stay as they are, whatever is opened while somebody has them.
    6. `delete` removes everything of a job and may be repeated.
    7. No room raises StorageFull, and nothing half-written is ever found.
    8. A key that the store did not give opens nothing.
    9. `put_inputs` keeps the pictures that a job begins with, all of them or none, durable when it returns; `find` does
       not tell of them, and `delete` removes them with the rest.
    10. `open_input` gives such a picture in one piece, checked against its recorded length; ImageNotAvailable when it is
        gone.
    11. What the `proof` of a call refuses is never found: `put` asks it before anything is, and raises its error. One that
        says so by `asks_proof` is given pictures with a proof.
    """

    asks_proof: bool

    async def put(self, job_id: str, call: int, generated: Generated, *, first_image: int) -> StoredCall:
        """Store what a call gave, its `proof` permitting; `first_image` is the position of its first picture in the job."""
        ...

    async def find(self, job_id: str) -> Sequence[StoredCall]:
        """What is stored of a job."""
        ...

    async def open(self, ref: ImageRef) -> Opened:
        """The bytes of a picture."""
        ...

    async def put_inputs(self, job_id: str, inputs: Mapping[str, bytes]) -> Mapping[str, str]:
        """Store the pictures that a job begins with, by the name of their field (a-z and _); gives their keys."""
        ...

    async def open_input(self, picture: InputImage) -> bytes:
        """The bytes of a picture that a job begins with."""
        ...

    async def delete(self, job_id: str) -> None:
        """Remove a job's pictures and records."""
        ...

    async def check(self) -> None:
        """Whether a picture could be stored now; Unavailable or StorageFull says why not."""
        ...


class JobEvents(Protocol):
    """Tells what happens, from the log that the repository writes.

    1. Every event of a stored write is given to every subscriber, in the order of the writes of its job.
    2. A subscription after a cursor gives what came since; an unknown or too old cursor raises UnknownCursor.
    3. `publish` is lossy and keeps only the newest progress of a job; `progress` gives it, None when there is none.
    4. A subscriber that does not read does not hold up anybody.
    """

    def subscribe(self, *, job_id: str | None = None, after: str | None = None) -> AsyncIterator[JobEvent]:
        """Events of one job or of all, from now or from after a cursor, for as long as one iterates."""
        ...

    async def cursor(self) -> str:
        """Where the log ends now."""
        ...

    async def publish(self, progress: JobProgress) -> None:
        """Tell how far a job has come."""
        ...

    async def progress(self, job_id: str) -> JobProgress | None:
        """How far a job had come when last told."""
        ...


#: The generators of a service, by backend name.
Generators = Mapping[str, ImageGenerator]
