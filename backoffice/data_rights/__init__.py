"""What a person may ask about their data, who decides it, and what is erased when.

`requests` asks and reads, `deciding` is the officers' part, `erasing` carries out what was decided
and what the law's periods end, `erasure_log` tells a restored copy what it must forget again, and
`links` lets in whoever cannot sign in any more.
"""
