"""What the app asks of the part that judges and cleans pictures from outside; imports stdlib."""

from typing import Protocol


class Clean(Protocol):
    """A picture that was written anew."""

    @property
    def data(self) -> bytes:
        """The file."""
        ...

    @property
    def width(self) -> int:
        """Px."""
        ...

    @property
    def height(self) -> int:
        """Px."""
        ...


class Intake(Protocol):
    """Takes pictures nobody vouches for. Everything raises ValueError with a sentence to follow the field's name."""

    async def picture(self, data: bytes) -> Clean:
        """The picture upright, opaque and without metadata."""
        ...

    async def mask(self, data: bytes, *, transparent_repaints: bool, size: tuple[int, int] | None) -> Clean:
        """The mask with white where it is painted anew; it must have that size in px."""
        ...

    async def mask_in(self, data: bytes) -> Clean | None:
        """The mask that a picture's own transparent part stands for, None when it is opaque."""
        ...
