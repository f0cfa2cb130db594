"""Static files under names that carry their content's hash, compressed beside themselves."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage as Compressed

#: Django's patterns of module imports, for our own modules only: some packages' files hold imports
#: of what they do not ship, in comments too.
_IMPORTS = ("js/*.js", Compressed._js_module_import_aggregation_patterns[1])


class HashedFiles(Compressed):  # type: ignore[misc]  # no types
    """Our modules name the modules they import by hashed names too: a browser that keeps a file
    for a year never joins yesterday's module to today's."""

    patterns = (*Compressed.patterns, _IMPORTS)
