"""The REST API: HTTP in front of the service, deciding nothing about a job; imports FastAPI and the core."""

from entrypoints.api.app import create_app
from entrypoints.api.config import ApiConfig

__all__ = ["ApiConfig", "create_app"]
