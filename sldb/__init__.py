"""The client of sldb, a relational database without a server.

Importing this package costs nothing: heavy modules are imported on first use.
"""

__version__ = "0.1.0"
