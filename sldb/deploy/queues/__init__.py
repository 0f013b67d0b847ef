"""The queue in front of the query function: its options, and what becomes of messages when it changes."""
