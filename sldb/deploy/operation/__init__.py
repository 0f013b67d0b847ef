"""The options of `sldb deploy` for the operation of a stack: alarms, metrics."""
