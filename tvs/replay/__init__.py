"""The load tester: asks a Trust Verification Service what recorded or imagined phones ask, and checks the answers."""
