"""Emulated phones with a whole cluster: its services, and a TFTP server of the distribution."""

from tests.fixtures.cluster import cluster, free_port, made_cluster, make_phone, run, serve, tftp_server, tvs

__all__ = ["cluster", "free_port", "made_cluster", "make_phone", "run", "serve", "tftp_server", "tvs"]
