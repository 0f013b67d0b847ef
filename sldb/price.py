"""The price of one request, estimated from the `stats` of its reply.

The prices are in dollars, of us-east-1 and without any free tier, as in the README: Lambda's of
https://aws.amazon.com/lambda/pricing/ and S3 Standard's of https://aws.amazon.com/s3/pricing/, both of 2026. The calls
to EC2 for a lock are free, and so is traffic between S3 and a function of the same region.

EFS has elastic throughput: its bytes are metered, for metadata 4 KiB at least and for data 32 KiB at least an operation
(https://aws.amazon.com/efs/pricing/; "How do I estimate Elastic Throughput mode costs for Amazon EFS", re:Post). The
operations behind a read and a write of the store are counted in `benchmarks/efs.py`.

The estimate counts the measures of the function itself: its time from request to reply (`ms`), after a cold start the
time until it was ready (`init_ms`, billed since August 2025), its memory, and its requests to S3. The work that the
container did after the reply before is billed as well; it is counted with the reply that reports it (`after_ms`,
`after_store_requests`, …). Not counted: storage, an API gateway in front, and traffic out of AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_GB_SECOND = {"aarch64": 0.0000133334, "x86_64": 0.0000166667}  # by the machine's name
# Of memory that is kept ready, whether it is used or not; https://aws.amazon.com/lambda/pricing/
PROVISIONED_GB_SECOND = {"arm64": 0.0000033334, "x86_64": 0.0000041667}  # by Lambda's names of machines
S3_WRITE = 0.005 / 1000  # PUT, COPY, POST, LIST
S3_READ = 0.0004 / 1000  # GET and all others; DELETE is free, and rare enough to be counted here
S3_GB_MONTH = 0.023  # S3 Standard, the first 50 TB
# EFS, regional: Standard storage, and elastic throughput by the GB; https://aws.amazon.com/efs/pricing/
EFS_GB_MONTH, EFS_READ_GB, EFS_WRITE_GB = 0.30, 0.03, 0.06
EFS_BACKUP_GB_MONTH = 0.05  # AWS Backup, warm; https://aws.amazon.com/backup/pricing/
EFS_READ_BYTES = 4 << 10  # of a read of the store: its directory is opened
EFS_WRITE_BYTES = (12 << 10, 48 << 10)  # of a write with its lock, metered as read and as written; 32 KiB are of data
_EFS_DATA_BYTES = 32 << 10
LOG_GB = 0.50  # CloudWatch Logs, ingestion; https://aws.amazon.com/cloudwatch/pricing/
HTTP_API_REQUEST = 1.00 / 1_000_000  # API Gateway's, the first 300 million; https://aws.amazon.com/api-gateway/pricing/
REST_API_REQUEST = 3.50 / 1_000_000  # the first 333 million
ALARM_MONTH = 0.10  # CloudWatch's, beyond the ten free ones; https://aws.amazon.com/cloudwatch/pricing/
METRIC_MONTH = 0.30  # a custom metric, of the first 10,000; by the hour with data
DASHBOARD_MONTH = 3.00  # beyond the three free ones, of 50 metrics each
XRAY_TRACE = 5.00 / 1_000_000  # recorded; https://aws.amazon.com/xray/pricing/
KMS_KEY_MONTH = 1.00  # https://aws.amazon.com/kms/pricing/
SQS_REQUEST = {"fifo": 0.50 / 1_000_000, "standard": 0.40 / 1_000_000}  # https://aws.amazon.com/sqs/pricing/
SQS_POLLERS, SQS_POLL_SECONDS = 5, 20  # Lambda's, of an empty queue
SECRET_MONTH = 0.40  # Secrets Manager; https://aws.amazon.com/secrets-manager/pricing/
MB_PER_GB = 1024
MONTH_SECONDS = 30 * 86_400
BYTES_PER_GB = 1 << 30


def estimate(stats: Mapping[str, Any], *, in_files: bool = False) -> float:
    """Return the dollars for the request of a reply with these `stats`; 0 without a function (`local`). `in_files`: the
    databases are in EFS, not in S3, as the stats of newer functions say themselves."""
    if "memory_mb" not in stats:
        return 0.0
    billed_ms = stats["ms"] + stats.get("init_ms", 0.0) + stats.get("after_ms", 0.0)
    function = run(stats["memory_mb"], billed_ms, stats.get("architecture", ""))
    return function + (files(stats) if in_files or stats.get("store") == "efs" else store(stats))


def store(stats: Mapping[str, Any]) -> float:
    """Return the dollars for the requests to S3 in these `stats`; 0 without any."""
    writes = _used(stats, "store_writes")
    reads = _used(stats, "store_requests") - writes
    return writes * S3_WRITE + reads * S3_READ


def files(stats: Mapping[str, Any]) -> float:
    """Return the dollars for the use of EFS by the requests in these `stats`, about: a small file that is read is
    metered as a larger one."""
    writes = _used(stats, "store_writes")
    reads = _used(stats, "store_requests") - writes
    read, written = EFS_WRITE_BYTES
    read_bytes: float = reads * EFS_READ_BYTES + writes * read + _used(stats, "bytes_in")
    written_bytes: float = writes * written + max(0, _used(stats, "bytes_out") - writes * _EFS_DATA_BYTES)
    return (read_bytes * EFS_READ_GB + written_bytes * EFS_WRITE_GB) / BYTES_PER_GB


def _used(stats: Mapping[str, Any], name: str) -> int:
    """Return the use of the store by a request, and by the work after the reply before it."""
    used: int = stats.get(name, 0) + stats.get(f"after_{name}", 0)
    return used


def run(memory_mb: float, billed_ms: float, machine: str) -> float:
    """Return the dollars for one invocation of a function, without its requests to other services."""
    gb_second = LAMBDA_GB_SECOND.get(machine, LAMBDA_GB_SECOND["aarch64"])
    return LAMBDA_REQUEST + memory_mb / MB_PER_GB * billed_ms / 1000 * gb_second


def polls(seconds: float) -> int:
    """Return Lambda's requests to an empty queue, by long polling ("Using Lambda with Amazon SQS", developer guide)."""
    return round(SQS_POLLERS * seconds / SQS_POLL_SECONDS)


def provisioned(parameters: Mapping[str, str], seconds: float) -> float:
    """Return the dollars for the provisioned containers of a stack for so long, by its parameters."""
    gb = float(parameters["MemorySize"]) / MB_PER_GB * int(parameters.get("ProvisionedConcurrency") or "0")
    return gb * seconds * PROVISIONED_GB_SECOND[parameters["Architecture"]]


def per_million(dollars: float) -> str:
    """Return $0.0000031 as "$3.10 per million", a readable price; an empty text for 0."""
    return f"${dollars * 1_000_000:,.2f} per million" if dollars else ""
