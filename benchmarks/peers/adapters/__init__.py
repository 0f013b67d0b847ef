"""One module for each peer, with `open_peer(url, argument)`: all that a container does before its first request. The
result has `run(sql, writes)`, which returns the rows once they are durable in S3, and perhaps `close()`.
"""
