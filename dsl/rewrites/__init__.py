"""Rewrites: one law, one named function, in one ordered list.

    plan = rewrite(insert_guards(node), Laws.named("godel"))
    print(explain(node, "product"))

Every rewrite keeps the value (bit for bit in godel), terminates, and says where it holds.
"""

from dsl.rewrites.pipeline import STAGES, Step, explain, rewrite, steps
from dsl.rewrites.rule import CRISP, IDEMPOTENT, Laws, Rewrite

__all__ = ["CRISP", "IDEMPOTENT", "STAGES", "Laws", "Rewrite", "Step", "explain", "rewrite", "steps"]
