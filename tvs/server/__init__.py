"""Phones of one worker, from the accepted socket to the closed one."""
