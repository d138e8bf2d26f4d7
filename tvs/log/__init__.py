"""The log: records, their forms, and writers that never delay an answer."""
