"""The playbook: prompts and lessons as plain text, the part of the agent that changes with what its runs teach."""
