"""The improvement loop: a change of the playbook is kept only if it helps on tasks of families that it was not made from."""
