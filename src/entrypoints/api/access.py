"""What decides who may come in, as the app is given it; imports attrs, the core's keys and this package's signer."""

import logging

import attrs

from entrypoints.api.signing import PictureSigner
from imaging_core.errors import Unavailable
from imaging_core.key_ports import RequestMeter
from imaging_core.keyring import Keyring
from imaging_core.memory import MemoryRequestMeter

log = logging.getLogger("imaging.access")


@attrs.frozen(kw_only=True)
class Access:
    """Keys, links, hosts and origins; as it is, everybody may come in."""

    #: None for a service that has no keys and gets none.
    keyring: Keyring | None = None
    #: Counts the requests of keys that have a limit of them.
    meter: RequestMeter = attrs.field(factory=MemoryRequestMeter)
    #: Signs links to pictures.
    signer: PictureSigner = attrs.field(factory=PictureSigner.of_this_process, repr=False)
    #: Names under which the service may be asked for, without port; `*.` begins a whole domain; empty for any.
    allowed_hosts: tuple[str, ...] = ()
    #: Origins whose pages may use the service from a browser, such as https://studio.example; `*` for any.
    cors_origins: tuple[str, ...] = ()
    #: Whether /metrics needs no key.
    open_metrics: bool = False
    #: Wrong keys from one address in a minute.
    wrong_keys_per_minute: int = 20

    async def note(self, action: str, subject: str, *, by: str | None) -> None:
        """Store an audit entry about what was done; where it cannot be, a line of the log says so."""
        if self.keyring is None:
            return
        try:
            await self.keyring.note(action, subject, by=by)
        except Unavailable as error:
            # It has been done, and the log line before has said it.
            log.warning("An audit entry could not be stored: %s", error)
