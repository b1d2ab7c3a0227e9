"""The web pages: competitions, runs, the improvement loop; rendered here, readable without scripts, no build step.

They only read. What they know comes through `Sources`: the host's store, the folder of runs with its record, and a reader
of the improvement loop, which lives above this package and is passed in.
"""
