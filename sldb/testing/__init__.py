"""Support for the tests of programs that use sldb: the plugin of pytest, and the stack that it can begin."""
