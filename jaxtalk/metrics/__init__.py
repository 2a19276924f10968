"""Metrics: functions of arrays that return (sum, count), so that they merge over steps and devices."""
