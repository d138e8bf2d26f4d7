"""The monitoring port: metrics, health and readiness over HTTP."""
