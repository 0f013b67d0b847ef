"""SQS without moto: its long polling would hold the emulator's lock, its time cannot be moved by tests, its queues
cannot be saved. The rules are those of the SQS developer guide."""
