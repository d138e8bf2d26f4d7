"""What the cluster's signed trust lists vouch for: CTL and ITL files read, made, signed and watched."""
