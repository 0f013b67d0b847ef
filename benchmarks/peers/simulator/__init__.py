"""A server that behaves as S3 and EC2 for a measurement: see `server`."""
