"""A competition: its spec, tables, metric, validation plan and submission rows; nothing here runs or ranks a model.

`spec.load_task` reads a folder, `spec.read_tables` its rows, `tables.survey` says what each column is,
`validation.design` makes the folds, `arrays.write_arrays` lays them out for the sandbox,
`submission` writes and reads the rows that a competition wants.
"""
