"""Executors: a file here is an executor of that name, made by its make()."""
