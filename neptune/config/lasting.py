"""Which fields of a run change no answer, and which are of one call alone."""

from __future__ import annotations

NEUTRAL = frozenset(
    {"record_oracle", "oracle_cache", "detection_cache", "bundle", "bundle_pictures", "prune"}
    | {"output_dir", "resume", "num_samples", "workers", "processes", "gpus", "max_batch", "batch_wait_ms"}
    | {"lazy_pictures"}
    | {"evaluate", "judge_model", "judge_provider", "judge_base_url", "blame"}
    | {"agree", "agree_model_name", "agree_options", "consistency", "trusted_hosts", "judge_omit"}
    | {"estimate", "estimate_objects", "prices", "max_run_calls", "dry_run", "inspect", "watch", "watch_port"}
    | {"cluster", "cluster_options", "code_gen_timeout", "code_gen_retries", "code_gen_concurrency", "code_gen_prices"}
)
"""Fields that change no answer of a sample: a run may be resumed with another value of these."""

PASSING = frozenset(
    {"resume", "estimate", "estimate_objects", "dry_run", "watch", "watch_port", "bundle", "bundle_pictures"}
    | {"blame", "evaluate", "judge_model", "judge_provider", "judge_base_url", "prune"}
    | {"agree", "agree_model_name", "agree_options", "consistency", "cluster", "cluster_options"}
)
"""Fields that say what to do this once. A run folder's config does not keep them: who starts another run from it, or
looks at it in another way, did not ask for that again."""
