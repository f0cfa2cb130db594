"""Files of providers and banks: read whole or refused with reasons, kept as they came.

A file comes by command, by the watched folder or by upload; `importing` takes it. Which columns a
provider writes is data (`mappings/*.yaml`); bank formats have a reader each. What was read lies in
the store as rows of one shape (`rows`), whatever the format was.
"""
