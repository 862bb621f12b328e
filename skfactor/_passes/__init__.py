"""The records of a fit, which estimators write and inference reads."""
