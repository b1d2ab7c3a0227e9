"""Generated tasks that punish a way of fooling oneself; `python -m tasks.traps.table` sets naive estimates beside honest ones.

A folder here is a recipe as in the catalogue, made from a seed instead of a package, with one file more: trap.toml says
what goes wrong and what the naive estimate is. That file never reaches the task's public folder.
"""
