"""The sandbox: runs one trial of one solution on one fold. It knows files, limits and results, nothing of competitions."""

from sandbox.trial import Cluster, Cost, Executor, Limits, SandboxError, Trial, executor

__all__ = ["Cluster", "Cost", "Executor", "Limits", "SandboxError", "Trial", "executor"]
