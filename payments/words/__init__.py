"""What a player is told of a payment: on pages, in notices, in their language."""
