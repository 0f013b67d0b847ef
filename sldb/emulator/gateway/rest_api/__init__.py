"""REST APIs: their control plane (`control/`), and the data plane, for the requests of clients.

documents the state of both
handler   a request, from its stage to its response
routes    the resource of a path; payload  events of format 1.0, and the replies of functions
mock      MOCK integrations; failures  answers of the gateway itself, and gateway responses
usage     API keys, and the throttling and quotas of usage plans

A deployment is a copy of the API's resources and gateway responses: later changes reach no stage before another one.
On AWS changes of keys and plans take some time to act; here they act at once.
"""
