"""Load tester: sends a service the queries of recorded or imagined phones, and checks the answers."""
