"""What `bin/bench page` measures: Lighthouse's scores, real taps on a slowed-down page, bytes."""
