"""Holds the tools that solutions call: feature blocks and models that share two plain shapes.

A block is `block(train, predict, task, **options)` or, where it looks at labels, `block(train, target, predict,
task, **options)`; both return new (train, predict) frames and leave what they were given alone. A model is
`model(train, target, predict, task, **options)` and returns predictions in the shape that `task.prediction` names.
The package imports third-party packages and itself only, so it runs wherever a solution is taken.
"""
