"""HTTP APIs of API Gateway: routes, authorizers, payload format 2.0.

apis             what the control plane says of an API, as frozen values
handler          a request from its stage to its response
routes           route keys, and the most specific one for a request
payload          events and replies of format 2.0
cors             preflights, and the headers of other responses
*_authorizer     each returns `requestContext.authorizer` for a request that may pass, or raises Refused
control          the control plane: what AWS refuses and moto accepts, and what moto lacks
"""
