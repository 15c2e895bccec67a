"""What decides who may come in, as the app is given it; imports attrs, the core's keys and this package's signer."""

import attrs

from entrypoints.api.signing import PictureSigner
from imaging_core.key_ports import RequestMeter
from imaging_core.keyring import Keyring
from imaging_core.memory import MemoryRequestMeter


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
