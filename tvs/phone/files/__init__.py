"""Sources of a phone's files: a directory, TFTP, HTTP."""
