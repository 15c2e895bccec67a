"""The composition root: typed tables that say which adapter stands behind which port. Providers only construct.

The only package that imports dependency_injector. Nothing here connects, starts or reads the environment: opening and
closing is `entrypoints.lifespan`'s work. Without wiring, `@inject`, `Resource` or `Configuration`, each of which has an
open pitfall upstream. A module per mode, so that an embedded process never loads Redis and Dramatiq.
"""

from entrypoints.unseen import unseen

# Its wiring, which is not used here, loads each web framework that it finds: half a second of a worker's start, and 12 MB.
# Its configuration, which is not used either, loads PyYAML.
with unseen("fastapi", "starlette", "fast_depends", "werkzeug", "yaml"):
    import dependency_injector.containers  # noqa: F401
