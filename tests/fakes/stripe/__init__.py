"""An account at Stripe on loopback, written from Stripe's documentation and not from our adapter.

What an endpoint takes is read from the types that Stripe generates from its own API description: a
parameter that is unknown, missing or of another type is refused as Stripe refuses it. People, banks
and faults are methods of `books.Books`; `server.serving` answers HTTP. It moves no money, and knows
no card number: cards are the names of Stripe's test cards.
"""
