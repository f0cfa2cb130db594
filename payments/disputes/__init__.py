"""Disputes as providers report them: believed when confirmed, booked at once, worked on by people.

`applying` takes a report and does all of it in one transaction; `judging` says what a report means
for a dispute as it stands; `asking` asks the provider; `working` is what people do with one: take
it, end the freeze of the player's payouts, close it. Who bears the money is decided by two people
(`payments.disputes.chargebacks`).
"""
