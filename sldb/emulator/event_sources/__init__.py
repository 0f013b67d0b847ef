"""Event source mappings: SQS queues invoke functions."""
