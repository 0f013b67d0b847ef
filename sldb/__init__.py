"""The client of sldb, a relational database without a server.

Importing this package costs nothing: heavy modules are imported on first use.
"""

try:
    from sldb._version import __version__ as __version__
except ModuleNotFoundError:  # a checkout: only a build knows its version, from the tag (docs/wheel_hook.py)
    __version__ = "0+checkout"
