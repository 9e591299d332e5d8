"""What `make` runs: bootstrap, generation, the page build and the test stages.

`bootstrap` and all it imports are standard library only, for they run before
anything is installed.
"""
