"""Rules per game: legal bets, payouts, house edge. Pure."""
