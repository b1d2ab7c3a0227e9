"""What a language model is shown of a run, and how its answers are read; calls nothing and runs nothing."""
