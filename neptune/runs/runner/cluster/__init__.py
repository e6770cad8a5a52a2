"""The same run on a Ray cluster: samples sharded by picture, engines that are actors, records written by the driver.

Ray deals out the work, holds what waits, and replaces what dies; nothing here does that a second time.
"""
