"""Finance's desk: reports from the books, the day's statement, and the pages around them."""
