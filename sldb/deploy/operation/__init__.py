"""The options of `sldb deploy` for the operation of a stack: alarms, dashboard, metrics, concurrency."""
