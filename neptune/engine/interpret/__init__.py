"""Runs a program: from the syntax tree to plan nodes, with plain values wherever the program needs one."""
