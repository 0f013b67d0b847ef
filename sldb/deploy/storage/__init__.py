"""The store of a stack's databases: the data bucket, or a file system of EFS."""
