"""The house's own register of excluded people: whoever is in it does not come back as another.

Compared at sign-up, when somebody is excluded (other accounts of theirs), and once an hour with all
accounts. The same person is refused or excluded with them; somebody alike may not play until an
officer has said who it is. A visitor is told nothing that a stranger would not be.
"""
