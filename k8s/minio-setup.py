"""Make the lake's bucket and the stages' user in MinIO; harmless to run again (it renews the user's secret key)."""

import json
import os

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider

BUCKET = "collisions"
POLICY = "collisions-stages"
# The stages list, read, write and delete objects of this bucket; no other bucket, no change to the bucket itself.
STATEMENTS = [
    {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": [f"arn:aws:s3:::{BUCKET}"]},
    {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": [f"arn:aws:s3:::{BUCKET}/*"],
    },
]


def main() -> None:
    """Bucket, policy, user, and the one granted to the other."""
    endpoint = os.environ["COLLISIONS_S3_ENDPOINT"]
    user, secret = os.environ["COLLISIONS_S3_ACCESS_KEY"], os.environ["COLLISIONS_S3_SECRET_KEY"]
    root = os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"]
    # At the first set-up MinIO's pod is still starting: try for about a minute.
    patient = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=5, read=30),
        retries=urllib3.Retry(total=12, backoff_factor=0.5, backoff_max=8, status_forcelist=[500, 502, 503, 504]),
    )
    store = Minio(endpoint, *root, secure=False, http_client=patient)
    if not store.bucket_exists(bucket_name=BUCKET):
        store.make_bucket(bucket_name=BUCKET)
    admin = MinioAdmin(endpoint=endpoint, credentials=StaticProvider(*root), secure=False, http_client=patient)
    admin.policy_add(POLICY, policy={"Version": "2012-10-17", "Statement": STATEMENTS})
    admin.user_add(user, secret)
    attached = json.loads(admin.user_info(user)).get("policyName", "")
    if POLICY not in attached.split(","):
        admin.attach_policy([POLICY], user=user)
    print(f"INFO: bucket {BUCKET}, policy {POLICY}, user {user}: ready")


if __name__ == "__main__":
    main()
