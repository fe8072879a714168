"""Detectors: geometry, good masks, calibration images and the valid range of pixel values."""
