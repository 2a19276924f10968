"""Losses: functions of arrays, one value per example, never reduced over the batch."""
