"""Who is who over time: identities, events, decisions, and what may be done about them.

`PeopleView` says who a face is and whom a user means. ``identity`` carries people from one
clustering to the next, ``edit`` takes users' decisions, ``locating`` finds the faces that they are
about, and ``effective`` says what stands of them.
"""

from facebatch.people.effective import EffectiveDecisions
from facebatch.people.identity import Clustering, Person
from facebatch.people.view import PeopleView

__all__ = ["Clustering", "EffectiveDecisions", "PeopleView", "Person"]
