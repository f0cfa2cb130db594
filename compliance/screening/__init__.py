"""Sanctions and PEP lists: loaded in versions, matched against every player, judged by officers.

`names` and `matching` decide and are pure; `formats` reads files; `lists` switches versions;
`screening` compares players with the active lists; `hits` is what officers decide. Nothing here is
ever shown to a player or to the desk.
"""
