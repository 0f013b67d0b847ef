"""django-s3-sqlite: the file comes down when Django's connection is made, and goes up as a whole when it is closed.

Django closes the connection after each request. The backend looks for a newer file only when a process makes its first
connection: a warm container does not see the commits of others.
"""

from contextlib import suppress
from pathlib import Path

import django
from django.conf import settings
from django.db import connections

NAME = "database.db"


class DjangoS3:
    def __init__(self) -> None:
        with suppress(FileNotFoundError):
            Path("/tmp", NAME).unlink()  # where the backend keeps its copy; a cold container has none
        settings.configure(DATABASES={"default": {"ENGINE": "django_s3_sqlite", "NAME": NAME, "BUCKET": "plain"}})
        django.setup()

    def run(self, sql, writes):
        with connections["default"].cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
        connections["default"].close()
        return rows


def open_peer(url, argument):
    return DjangoS3()
