"""Is this payment honest? Asked when it begins and again when its instrument is known.

`words` are outcome and decision, `detectors` the statements of the rules, `decide` asks the rules
in force, `review` keeps what came under a rule until somebody has looked at it, and `trial` says
what a version would have done to payments of the past.
"""
