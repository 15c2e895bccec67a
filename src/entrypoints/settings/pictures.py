"""Settings of what becomes of finished pictures; imports pydantic."""

from pydantic import BaseModel, Field


class PictureSettings(BaseModel):
    """What pictures carry, and what is kept of their small copies."""

    embed_metadata: bool = Field(
        default=True, description="Write prompt and settings into every picture, for other programs and for /png-info."
    )
    picture_cache_mb: int = Field(
        default=64, ge=0, description="Memory (MB) for thumbnails and converted pictures of the API."
    )
