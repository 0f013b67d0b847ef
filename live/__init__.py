"""The live check of `make live`: each option of `sldb deploy` in a real account, used, measured and taken down again.

    python -m live --account 123456789012
    sldb emulator -- python -m live

plan        the cost of a run, said before it begins
stage       one stack under a random name: sldb's commands and requests to it
session     the options one after the other; in any case all is taken down at the end
leftovers   resources with the name of a run, still there
claims      the unverified sentences of the documentation, each with its check
figures     cold and warm reads and writes, measured
report      the outcome as Markdown
options/    a module for each option: how it is deployed, used and checked
"""
