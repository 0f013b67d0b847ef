"""API Gateway's data plane: requests of HTTP clients, to the APIs that the control plane (moto's) describes.

gateway       finds the API of a request, by path prefix, host or custom domain, and holds the limits of all kinds
kinds         the interface of a kind of API: `http_api/` here, REST APIs beside it
invoking      functions as integrations and authorizers: their permission, their time-out
throttling    token buckets; access_log: lines of the stages' formats in CloudWatch Logs

A kind answers every request itself, with API Gateway's status and words; nothing here raises `AwsError`.
"""
