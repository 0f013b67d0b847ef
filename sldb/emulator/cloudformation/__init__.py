"""A small CloudFormation: moto's has no events for resources, no roll-back, no outputs after change sets, and passes
over in silence what it does not know. This one refuses by name what it cannot make.

api         actions over the query protocol; which of them a stack's state allows
template    text → Template, its checks and its parameters
intrinsics  Ref, Fn::Sub and their like
plan        two states of a stack → changes. Pure
stack       what is known about a stack: resources, events, change sets
engine      applies changes in a thread, one resource after the other, and rolls back
resources/  one class for each resource type; they call the emulator's own services over HTTP
"""
