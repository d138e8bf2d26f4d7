"""Phones as they were seen: what each asked and was told, who was refused. Not how it was seen."""
