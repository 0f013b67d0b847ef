"""What `make demo` shows: a deploy, a short session, a writer that dies, on an AWS that runs on this machine.

    sldb emulator -- python -m demo

Every command that is shown is run as it is shown, and what follows it is its own output.

scenes        what is shown, as data
stage         shows a command and runs it
lost_writer   a writer that is killed while it has the lock
"""
