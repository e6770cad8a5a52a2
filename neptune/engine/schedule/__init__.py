"""Asking as little as possible: which ground atoms to ask next (choosing), and when to stop (stopping).

Two separate pieces. *Choosing* may guess: it orders them by estimates, priors, anything. *Stopping* uses sound
bounds alone, so that a settled decision is provably the one that asking everything gives.
"""

from neptune.engine.context import Schedule
from neptune.engine.evidence.priors import Estimates, Prior, box_prior
from neptune.engine.schedule.stopping import Goal
from neptune.engine.schedule.witness import witness_of

__all__ = ["Estimates", "Goal", "Prior", "Schedule", "box_prior", "witness_of"]
