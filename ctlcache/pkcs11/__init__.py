"""Hardware tokens that sign the CTL file, over PKCS#11."""
