"""The design that sldb replaces, by its sequence of calls: the file comes down for each request, and goes up after each
write.

A security group is the lock: created before the download, deleted after the upload.
"""

import sqlite3
import tempfile

import boto3


class Original:
    def __init__(self) -> None:
        self._ec2 = boto3.client("ec2")
        self._s3 = boto3.client("s3")
        self._file = tempfile.mktemp(".db")

    def run(self, sql, writes):
        lock = self._lock() if writes else None
        self._s3.download_file("plain", "database.db", self._file)
        connection = sqlite3.connect(self._file)
        rows = connection.execute(sql).fetchall()
        connection.commit()
        connection.close()
        if lock:
            with open(self._file, "rb") as file:
                self._s3.put_object(Bucket="plain", Key="database.db", Body=file.read())
            self._ec2.delete_security_group(GroupId=lock)
        return rows

    def close(self):
        import os

        os.unlink(self._file)

    def _lock(self):
        return self._ec2.create_security_group(
            GroupName="DistributedLockTest",
            Description="DistributedLockTest",
            VpcId="vpc-1",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": "CreateTime", "Value": "1"}]}],
        )["GroupId"]


def open_peer(url, argument):
    return Original()
