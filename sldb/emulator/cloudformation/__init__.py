"""A small CloudFormation: moto's has no events for resources, no roll-back, no outputs after change sets, and ignores
unknown elements in silence. This one refuses them by name.

api         actions over the query protocol, as far as a stack's state allows them
reads       the reading actions
submission  the template, parameters and tags of a request, checked
template_reader  templates in S3, by their addresses
stacks      all stacks of the account
change_sets the difference between a stack and a target
template    text → Template, its checks and its parameters
intrinsics  Ref, Fn::Sub and the like
plan        two states of a stack → changes. Pure
stack       the state of a stack: resources, events, change sets
engine      applies changes in a thread, one resource after the other, and rolls back
resources/  one class for each resource type; they call the emulator's own services over HTTP
"""
