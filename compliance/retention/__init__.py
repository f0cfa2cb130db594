"""How long each class of record is kept, why, and what happens then: data, dated and versioned.

`classes` reads the files of `versions/`; nothing here knows of a country. What carries it out
stands above (`backoffice.data_rights`), since it reaches every table of the house.
"""
