"""Puts texts into picture files and reads them back, byte for byte around the pixels; imports stdlib and attrs.

A PNG holds them in text chunks `parameters` and `imaging`; a JPEG and a WebP in EXIF, as UserComment and MakerNote. Nothing is
decoded or written anew: what was there stays, and what is not understood is left alone.
"""

from imaging_core.marking.marks import Marks, read_marks, with_marks

__all__ = ["Marks", "read_marks", "with_marks"]
