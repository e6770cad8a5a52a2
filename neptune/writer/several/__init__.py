"""Several programs for one question: which mean the same, and what is asked of the model where they do not."""
