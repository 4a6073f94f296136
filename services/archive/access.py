"""What the service's own account may do in the store: the IAM policy given to it when the store is
set up.

The same document works on MinIO (canned policy) and SeaweedFS (policy of an identity); the WORM
probe checks that it binds.
"""

import json
from collections.abc import Sequence

_ON_BUCKET = (
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
)
_ON_OBJECTS = (
    "s3:GetObject",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectVersion",
    "s3:PutObject",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
)


def own_policy(buckets: Sequence[str]) -> str:
    """The policy as JSON: put, read, extend and hold in `buckets`; never delete, bypass or
    reconfigure.
    """
    statements = [
        {"Effect": "Allow", "Action": list(_ON_BUCKET), "Resource": [f"arn:aws:s3:::{b}" for b in buckets]},
        {"Effect": "Allow", "Action": list(_ON_OBJECTS), "Resource": [f"arn:aws:s3:::{b}/*" for b in buckets]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
