"""Turns a plan into a flat list of tensor operations, once for each plan template."""
