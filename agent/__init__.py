"""The agent: proposes solutions, runs them, blends what comes back."""
