"""What the API needs to know besides the service; imports attrs and this package."""

from collections.abc import Awaitable, Callable, Mapping

import attrs

from entrypoints.api.access import Access
from entrypoints.api.figures import Figures
from entrypoints.api.intake import Intake
from entrypoints.api.rendering import Renderer
from imaging_core.images import ImageRef

#: Gives the address of a picture elsewhere, good for a quarter of an hour. Raises ImageNotAvailable.
Link = Callable[[ImageRef], Awaitable[str]]
#: A part the service stands on: returns when it answers, raises when it does not.
Check = Callable[[], Awaitable[None]]


@attrs.frozen(kw_only=True)
class ApiConfig:
    """Limits and names, fixed for the life of the app."""

    #: Makes thumbnails and converted pictures.
    renderer: Renderer
    #: Judges and cleans pictures that are sent.
    intake: Intake
    #: Where whoever may see a picture is sent for it; None to pass its bytes on.
    link: Link | None = None
    #: How much of them is kept, in bytes.
    picture_cache_bytes: int = 64 << 20
    #: Largest picture that may be sent, in bytes, and the longest time it may take to come in, in s.
    max_picture_bytes: int = 20 << 20
    upload_deadline_s: float = 60.0
    #: Where POST /images goes when the body names no backend.
    images_backend: str = "stability"
    #: Where POST /local/images goes, and whose lists /local/models and its siblings show.
    local_backend: str = "local"
    #: Where others find the API, without a slash at the end; None for where a request found it.
    public_url: str | None = None
    #: Further model ids of OpenAI's API, each with the one it means.
    openai_aliases: Mapping[str, str] = attrs.field(factory=dict)
    #: Whether there is AUTOMATIC1111's API.
    a1111: bool = True
    #: Longest JSON body, in bytes.
    max_json_bytes: int = 65_536
    #: Longest time for a whole body to come in, in s.
    body_deadline_s: float = 15.0
    #: What a client is told to wait before it asks again, in s.
    retry_after_s: int = 2
    #: Longest time that one request may wait for a job, in s.
    max_wait_s: float = 60.0
    #: Silence after which an event stream gives a sign of life, in s.
    keep_alive_s: float = 15.0
    #: Longest event stream of a key, in s: whoever comes back shows the key again, which may have been revoked.
    key_seen_again_s: float = 300.0
    #: What is counted for /metrics.
    figures: Figures = attrs.field(factory=Figures)
    #: Whether each request gets a log line.
    access_lines: bool = False
    #: Who may come in.
    access: Access = attrs.field(factory=Access)
    #: Every part the service stands on, by the name /readyz shows.
    readiness: Mapping[str, Check] = attrs.field(factory=dict)
    #: Longest time one of those checks may take, in s.
    readiness_timeout_s: float = 3.0
    #: Shown in /openapi.json.
    version: str = "0.1.0"
