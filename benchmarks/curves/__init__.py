"""How requests, bytes, time, memory and price grow with the size of what is asked for.

    make bench-curves           or: python -m benchmarks.curves [NAME …]

A module for each curve has `run()`, which returns tables (`figures.Table`). The requests are counted on a simulated S3
(`benchmarks.simulated_s3`), exactly; times are this machine's and contain the simulated latency. Prices are those of a
function of 1 GB (arm64), by `sldb.price`.
"""
