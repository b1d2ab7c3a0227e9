"""The commands of `medalist`: one file each, its name is the name on the command line; `add` and `run` are all it has."""
