"""The statistics of guarantees: tests of a risk, an alarm that may be looked at any time, sets of answers. NumPy and
SciPy alone; what is tested is elsewhere (:mod:`neptune.learn.certify`)."""
