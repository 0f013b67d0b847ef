"""The same operations on one simulated S3 and EC2, for sldb and for other ways to keep SQLite in S3.

make bench-peers            or: python -m benchmarks.peers [MEGABYTES …]        default: 1 100 1000

simulator/      a server: S3 and EC2 with latency and bandwidth, and a record of each request
adapters/       one module for each peer: how it opens, and how it runs a statement
operations.py   the statements
worker.py       one fresh process: initialization, an operation cold, the same warm
peers.py        the peers, the environment of each, and the operations that it cannot do
runs.py         starts workers, and keeps their raw results below build/peers
report.py       tables, plots and docs/performance.md from the raw results
"""
