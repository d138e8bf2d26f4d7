"""Signed trust lists of the cluster, CTL and ITL files: parsed, built, signed, verified and monitored."""

__distribution__ = "trust-verification-service"
