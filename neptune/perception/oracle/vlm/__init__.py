"""Vision-language models run with transformers: loading, prompts, batches, and the prefix that questions share."""
