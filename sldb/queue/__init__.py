"""The queue of a deployed stack, from the side of producers and operators."""
