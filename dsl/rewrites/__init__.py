"""Rewrites: one law, one named function, in one ordered list.

    plan = rewrite(insert_guards(node), Laws.named("godel"))
    print(*steps(node, Laws.named("product")), sep="\n")

Every rewrite keeps the value (bit for bit in godel), terminates, and says where it holds.
"""

from dsl.rewrites.pipeline import STAGES, Step, rewrite, steps
from dsl.rewrites.rule import Laws, Rewrite

__all__ = ["STAGES", "Laws", "Rewrite", "Step", "rewrite", "steps"]
