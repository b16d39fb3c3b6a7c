"""Naming faces by a gallery: enrolment, open-set classifiers, thresholds and their calibration."""
