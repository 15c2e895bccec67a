"""The S3 store keeps every promise of its port, over HTTP to an endpoint that keeps to S3's conditions."""

import pytest

from adapters.s3 import S3ImageStore
from contracts.image_store import ImageStoreContract
from imaging_core.ports import ImageStore
from s3_endpoint import shared_endpoint


class TestS3Store(ImageStoreContract):
    @pytest.fixture
    def store(self, request: pytest.FixtureRequest) -> ImageStore:
        self.place = shared_endpoint(request.config).place()
        return S3ImageStore(self.place)

    @pytest.fixture
    def full_store(self, request: pytest.FixtureRequest) -> ImageStore:
        """A bucket that takes nothing any more."""
        return S3ImageStore(shared_endpoint(request.config).place("full"))

    async def reopened(self, store: ImageStore) -> ImageStore:
        return S3ImageStore(self.place)
