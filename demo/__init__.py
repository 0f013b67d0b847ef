"""The demo of `make demo`: a deploy, a short session and a dying writer, on an emulated AWS on this machine.

    sldb emulator -- python -m demo

Every command is run exactly as shown, followed by its own output.

scenes        the commands and remarks, as data
stage         shows a command and runs it
lost_writer   a writer killed during its lock
"""
