"""Files as phones fetch them: from a directory, over TFTP or over HTTP."""
