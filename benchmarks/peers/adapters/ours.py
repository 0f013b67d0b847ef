"""sldb's query function: its handler, with the settings of a deployed function. A thread works after the reply."""

import os


class Ours:
    def __init__(self, url: str, lock: str) -> None:
        os.environ.update(SLDB_STORE="s3://plain/log", SLDB_LOCK=lock, SLDB_LOG_LEVEL="error", AWS_ENDPOINT_URL=url)
        from lambda_handlers import db_function
        from lambda_handlers.settings import Settings
        from lambda_handlers.store import open as opening

        opening.is_foreign = lambda settings: False  # the simulated S3 stands for AWS's own, at an address of its own
        service = db_function._service(Settings.from_environment(os.environ))
        service.after_reply.put_off(has_thread=True)  # in a deployed function an extension does
        self._handler = db_function.handler

    def run(self, sql, writes):
        reply = self._handler({"query": sql}, None)
        if reply["statusCode"] != 200:
            raise RuntimeError(reply["body"])
        return reply["body"].get("rows")


def open_peer(url, argument):
    return Ours(url, argument)
