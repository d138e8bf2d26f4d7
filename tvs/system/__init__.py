"""The operating system: processes, signals, files, sockets, memory."""
