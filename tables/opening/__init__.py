"""What must hold before a table opens a round: reasons, inspections, rules as published."""
