"""Settings of pictures that come in, and of what becomes of finished ones; imports pydantic."""

from pydantic import BaseModel, Field


class PictureSettings(BaseModel):
    """What pictures carry, what is taken in, and what is kept of their small copies."""

    embed_metadata: bool = Field(
        default=True, description="Write prompt and settings into every picture, for other programs and for /png-info."
    )
    max_picture_mb: int = Field(default=20, ge=1, le=1_000, description="Largest body (MB) that brings pictures.")
    max_picture_megapixels: int = Field(
        default=16, ge=1, le=100, description="Largest picture (millions of px) that is taken as a starting picture."
    )
    picture_cache_mb: int = Field(
        default=64, ge=0, description="Memory (MB) for thumbnails and converted pictures of the API."
    )

    @property
    def max_picture_bytes(self) -> int:
        """Largest body that brings pictures, in bytes."""
        return self.max_picture_mb << 20

    @property
    def max_picture_pixels(self) -> int:
        """Largest picture that is taken as a starting picture, in px."""
        return self.max_picture_megapixels * 1_000_000
