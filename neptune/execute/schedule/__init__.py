"""Asking as little as possible: which cells to ask next (choosing), and when to stop (stopping).

Two separate pieces. *Choosing* may guess: it orders cells by estimates, priors, anything. *Stopping* uses sound
bounds alone, so that a settled decision is provably the one that asking everything gives.
"""

from neptune.execute.schedule.estimates import Estimates, Prior, box_prior
from neptune.execute.schedule.found import witness_of
from neptune.execute.schedule.goals import Goal
from neptune.execute.schedule.scheduler import Outcome, Schedule, Scheduler

__all__ = ["Estimates", "Goal", "Outcome", "Prior", "Schedule", "Scheduler", "box_prior", "witness_of"]
