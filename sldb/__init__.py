"""sldb: a relational database without a server, seen from the user's machine.

Importing this package costs nothing: everything heavy is imported where it is first used.
"""

__version__ = "0.1.0"
