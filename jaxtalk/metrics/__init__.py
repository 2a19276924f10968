"""Metrics: functions of arrays, jitted and batched.

A metric gives one value for each example (a frame, a clip), so that it can be drawn over time and the worst be found;
`Mean.of(values)` is their (sum, count), which merges over steps, devices and hosts. What is no mean of examples (FID,
codebook usage) has statistics of its own that merge in the same way.
"""
