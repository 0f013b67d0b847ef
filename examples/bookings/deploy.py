"""Deploy the application beside a stack of sldb: `python deploy.py [the stack's query function]`.

The function gets the Python of this program. SLDB_REQUIREMENT names another sldb than the newest published one, such as
the path of a checkout.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

HERE = Path(__file__).parent
STACK = "bookings"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def main(query_function: str) -> None:
    code = bundle()
    bucket, key = upload(code)
    address = deploy(bucket, key, query_function)
    answer = boto3.client("lambda").invoke(FunctionName=STACK, Payload=b'{"migrate": true}')
    if "FunctionError" in answer:
        raise SystemExit(f"the migration failed: {answer['Payload'].read().decode()}")
    print(address)


def bundle() -> bytes:
    """Return the archive with the application and its packages, as wheels for Lambda (x86_64)."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as name:
        folder, wheels = Path(name) / "code", Path(name) / "wheels"
        sldb = os.environ.get("SLDB_REQUIREMENT", "sldb")
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, sldb], check=True)
        (wheel,) = wheels.glob("sldb-*.whl")
        platform = ["--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"]
        options = ["--target", folder, *platform, "--python-version", VERSION, "--only-binary", ":all:"]
        wanted = [f"{wheel}[sqlalchemy]", "-r", HERE / "requirements.txt"]
        subprocess.run([*pip, "install", *options, *wanted], check=True)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for root in (folder, HERE):
                for path in sorted(root.rglob("*")):
                    if path.is_file() and "__pycache__" not in path.parts and path.name != Path(__file__).name:
                        file.write(path, path.relative_to(root))
        return archive.getvalue()


def upload(code: bytes) -> tuple[str, str]:
    """Return the bucket and the key of the code."""
    session = boto3.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    bucket, key = f"{STACK}-code-{account}-{session.region_name}", f"{hashlib.sha256(code).hexdigest()}.zip"
    s3 = session.client("s3")
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        where = {"CreateBucketConfiguration": {"LocationConstraint": session.region_name}}
        s3.create_bucket(Bucket=bucket, **({} if session.region_name == "us-east-1" else where))
    s3.put_object(Bucket=bucket, Key=key, Body=code)
    return bucket, key


def deploy(bucket: str, key: str, query_function: str) -> str:
    """Create or update the stack, and return the address of the application."""
    stacks = boto3.client("cloudformation")
    parameters = {"CodeBucket": bucket, "CodeKey": key, "Runtime": f"python{VERSION}", "QueryFunction": query_function}
    request = {
        "StackName": STACK,
        "TemplateBody": (HERE / "template.yaml").read_text("utf-8"),
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    try:
        stacks.create_stack(**request)
        done = "stack_create_complete"
    except stacks.exceptions.AlreadyExistsException:
        stacks.update_stack(**request)
        done = "stack_update_complete"
    stacks.get_waiter(done).wait(StackName=STACK)
    (stack,) = stacks.describe_stacks(StackName=STACK)["Stacks"]
    return next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == "Address")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "test-db-function")
