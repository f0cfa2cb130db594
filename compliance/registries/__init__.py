"""National registers of excluded people: asked over the network, answered in rows the gate reads.

Which register a player is looked up in is a word of their jurisdiction's profile; how each one is
spoken to is a class here, where it lives is a setting. Whatever is not a plain yes or no, silence
included, is `Outcome.INDETERMINATE`, and that refuses play.
"""
