"""An administrator's procedures: changes, planned before they are made."""
