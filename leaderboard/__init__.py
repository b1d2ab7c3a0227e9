"""Grades submissions, keeps the record of runs and entries, ranks a run among reference competitors."""
