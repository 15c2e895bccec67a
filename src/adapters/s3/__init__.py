"""Pictures in a bucket, of Amazon S3 or of anything that speaks its API; imports stdlib, obstore and imaging_core."""

from adapters.s3.place import S3Credentials, S3Place
from adapters.s3.store import S3ImageStore

__all__ = ["S3Credentials", "S3ImageStore", "S3Place"]
