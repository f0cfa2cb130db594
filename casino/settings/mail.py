"""How e-mail leaves. The demo keeps it in a local mailbox page."""
