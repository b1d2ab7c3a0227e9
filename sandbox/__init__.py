"""The sandbox: runs one trial of one solution on one fold. It knows files, limits and results, nothing of competitions."""

from sandbox.trial import Cost, Executor, Limits, SandboxError, Trial, executor

__all__ = ["Cost", "Executor", "Limits", "SandboxError", "Trial", "executor"]
